"""A run's settings may name an environment, but not one whose code came with the run."""

from importlib.machinery import PathFinder
from pathlib import Path


def refuse_code_of(folder: Path, env_id: str) -> None:
    """Refuse an environment from a module that lies in the run's folder.

    Gymnasium imports `module` to make `module:Id`, and Python finds modules in the present folder,
    thus also results/run/module.py.

    Args:
        folder: the run's; where its parent is called results, all of that counts.
        env_id: an id of Gymnasium, perhaps with a module. Nothing is imported.

    Raises:
        ValueError: the module lies there.
    """
    module, colon, _ = env_id.partition(":")
    if not colon:
        return
    first, *rest = module.split(".")
    spec = PathFinder.find_spec(first)
    places = (list(spec.submodule_search_locations or ()) or [spec.origin]) if spec else []
    roots = [folder.resolve()]
    roots += [roots[0].parent] if roots[0].parent.name == "results" else []
    for place in places:
        file = Path(place or "").joinpath(*rest).resolve()
        if any(file.is_relative_to(root) for root in roots):
            raise ValueError(
                f"--env.id: expected an environment that is installed, received {env_id}, whose "
                f"code lies in {folder}; a run must not bring code along: move the module out of "
                "it if you trust it."
            )
