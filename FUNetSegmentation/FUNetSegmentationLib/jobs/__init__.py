"""How the panel and the console reach the background process, and what that needs."""
