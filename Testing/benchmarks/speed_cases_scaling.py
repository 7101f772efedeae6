"""How time grows with the slices, their side, the classes, and the training images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from speed_inputs import disc_slices, disc_volume, half_precision, shipped_model, untrained_model
from speed_timing import Measured, Setting, exponent, interleaved, median

from funet.images.volumes import Volume
from funet.loss_config import LossConfig
from funet.models.model import Model
from funet.networks import build_network
from funet.prediction.inference import Predictor
from funet.training.finetuning import FineTuneConfig
from funet.training.loop import train


def scaling(setting: Setting) -> Measured:
    """Curves of time, and the power that each grows with over its upper half."""
    curves = {
        "slices": ([8, 16, 32, 64], lambda n: predicting(shipped_model(), n, 128)),
        "image side": ([64, 128, 256, 512], lambda n: predicting(shipped_model(), 8, n)),
        "classes": ([2, 4, 8, 16, 32], lambda n: predicting(untrained_model(n), 8, 128)),
        "training images": ([4, 8, 16, 32], training),
    }
    measured = Measured(facts={"curves": {}})
    for name, (sizes, prepared) in curves.items():
        chosen = sizes[:2] if setting.quick else sizes
        seconds = times_at(chosen, prepared, setting.repeats)
        measured.times |= {f"{size} {name}": seconds[size] for size in chosen}
        medians = [median(seconds[size]) for size in chosen]
        upper = len(chosen) // 2
        measured.facts["curves"][name] = {
            "sizes": chosen,
            "seconds": medians,
            "exponent": exponent([float(n) for n in chosen], medians),
            "exponent_of_upper_half": exponent(
                [float(n) for n in chosen[-upper - 1 :]], medians[-upper - 1 :]
            ),
        }
    return measured


def times_at(
    sizes: Sequence[int], prepared: Callable[[int], Callable[[], object]], repeats: int
) -> dict[int, list[float]]:
    """Seconds at each size, all sizes in turn."""
    times = interleaved({str(size): prepared(size) for size in sizes}, repeats)
    return {size: times[str(size)] for size in sizes}


def predicting(model: Model, slices: int, side: int) -> Callable[[], object]:
    """Predicting every one of so many slices."""
    predictor = Predictor(model, device="cpu", precision=half_precision())
    volume: Volume = disc_volume(slices, side, side)[0]
    return lambda: predictor.predict(volume, every_slice=True)


def training(images: int) -> Callable[[], object]:
    """Learning every one of so many images once, four at a time."""
    samples = disc_slices(images, sides=(64, 64))
    settings = FineTuneConfig(device="cpu").training(LossConfig(), 64)
    config = replace(settings, epochs=1, steps_per_epoch=None, averaging=None)

    def learn() -> None:
        network = build_network("funet", in_channels=1, num_classes=3)
        list(train(network, samples, config=config))

    return learn
