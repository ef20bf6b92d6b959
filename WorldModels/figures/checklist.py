"""Lists everything that is drawn for a world model, and the function that draws each item.

The items are what the paper, its code and its reproductions show, and what readers ask for beyond
that. Names are "module:function" in WorldModels.figures, or in the whole package.
"""

import functools
import importlib
from collections.abc import Callable

CHECKLIST = {
    # V
    "frames beside their reconstructions, a pair or a grid": "reconstructions:reconstruction_grid",
    "samples of the prior in a grid": "reconstructions:prior_samples",
    "each latent dimension swept": "reconstructions:latent_traversal",
    "mean, spread and KL of each latent dimension, and which are used": "latents:latent_statistics",
    "a map of the latents": "latents:latent_map",
    "V's epochs as a film": "films:epochs_film",
    "the same frames by VAE and VAE-GAN": "comparison:reconstructions",
    "vectors beside their reconstructions": "vectors:reconstruction_chart",
    # M
    "M's prediction of the next frame, beside the one that came": "predictions:next_frames",
    "the error of the predicted frames along an episode": "predictions:next_errors",
    "now, next and predicted in one overlay": "predictions:overlays",
    "a toy problem with several answers": "predictions:mixture_toy",
    "real, reconstructed and imagined frames": "filmstrips:imagined_strip",
    "dreams at several temperatures": "filmstrips:dream_filmstrips",
    "the same start dreamt twice": "filmstrips:dreamt_twice",
    "the error of the open-loop dream, by horizon": "dreams:horizon_curves",
    # episodes as films
    "an episode and its reconstruction side by side": "videos:side_by_side",
    "a drive or a dream with the reward so far in its title": "films:running_reward",
    "a dashboard of frame, reconstruction, prediction, losses and reward": "films:dashboard",
    "the game, what V is given, and what V makes of it": "films:three_views",
    "a GIF": "videos:write_gif",
    "an MP4": "videos:write_mp4",
    "every frame as a PNG": "videos:write_pngs",
    "a person's game or dream, as it is played": "WorldModels.playing.window:Window.show",
    # C and its evolution
    "which numbers of z and h drive each action": "weights:controller_weights",
    "returns by generation, frames and wall time, beside the solved line and the published curve": (
        "learning:learning_curve"
    ),
    "evaluations with their spread, beside the published ones": "learning:evaluation_band",
    "the search: population, validation and step size": "curves:generation_curves",
    "losses of V": "curves:vision_curves",
    "losses of M": "curves:memory_curves",
    "every loss of a GAN": "losses:loss_curves",
    "a histogram of returns": "curves:score_histogram",
    "a table of returns": "scores:table",
    "returns in the dream and in the game, by generation": "dreams:dream_curve",
    "returns in the dream and in the game, by temperature": "temperatures:temperature_figure",
    "a curve as SVG": "style:save",
}


def function_of(name: str) -> Callable:
    """The function behind a value of CHECKLIST.

    Raises:
        ImportError: its module, or a package that it needs, is missing.
        AttributeError: the module has no such function.
    """
    module, _, path = name.partition(":")
    module = module if module.startswith("WorldModels.") else f"WorldModels.figures.{module}"
    return functools.reduce(getattr, path.split("."), importlib.import_module(module))
