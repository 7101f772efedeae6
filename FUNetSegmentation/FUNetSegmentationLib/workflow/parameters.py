"""The parameters of the module, kept in the scene so that a saved scene goes on where it was."""

from __future__ import annotations

from typing import Any

from funet.models.store import ModelStore

MODULE_NAME = "FUNetSegmentation"

_NODE_CLASS = "vtkMRMLScriptedModuleNode"


def remember(scene: Any, **values: object) -> None:
    """Keep the values of parameters in the module's parameter node, which is made if needed.

    Args:
        scene: the scene; ``None`` keeps nothing.
        values: by the names that the panel uses, ``model`` and ``device``; ``None`` leaves a
            parameter as it is. What one call was tried with, such as its steps, is not kept: it
            would hold for all later ones.
    """
    known = {name: str(value) for name, value in values.items() if value is not None}
    if scene is None or not known:
        return
    node = scene.GetSingletonNode(MODULE_NAME, _NODE_CLASS) or _new_node(scene)
    for name, value in known.items():
        if node.GetParameter(name) != value:
            node.SetParameter(name, value)


def remember_version(scene: Any, model_id: str, store: ModelStore) -> None:
    """Keep another version as the chosen model, unless one of another family is chosen by now.

    Args:
        scene: as for :func:`remember`.
        model_id: the version.
        store: where it is.
    """
    node = None if scene is None else scene.GetSingletonNode(MODULE_NAME, _NODE_CLASS)
    chosen = "" if node is None else node.GetParameter("model")
    families = {manifest.id: manifest.family for manifest in store.list()}
    if families.get(chosen) in (None, families.get(model_id)):
        remember(scene, model=model_id)


def _new_node(scene: Any) -> Any:
    # As Slicer's own logic makes it, which then finds and uses the same node.
    node = scene.CreateNodeByClass(_NODE_CLASS)
    node.UnRegister(None)
    node.SetSingletonTag(MODULE_NAME)
    node.SetModuleName(MODULE_NAME)
    node.SetName(scene.GenerateUniqueName(MODULE_NAME))
    return scene.AddNode(node)
