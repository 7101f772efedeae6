"""The Slicer side of the extension: nodes of the scene, background jobs, workflow and panel."""
