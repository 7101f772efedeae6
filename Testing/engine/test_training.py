"""The training loop learns, repeats, resumes to the bit, cancels, and refuses nonsense."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from slices import disc_slices
from torch import nn

from funet.errors import Cancelled, InputError, TrainingError
from funet.loss_config import LossConfig
from funet.networks import UNet, build_network
from funet.progress import CancelToken
from funet.training.augmentation import Augmentation
from funet.training.events import EpochFinished, StepFinished, TrainingFinished
from funet.training.loop import train
from funet.training.presets import TrainingConfig, training_preset

FAST = TrainingConfig(
    epochs=3,
    steps_per_epoch=4,
    batch_size=3,
    learning_rate=3e-3,
    augmentation=Augmentation(),
    averaging=0.9,
    schedule="cosine",
    device="cpu",
    precision="float32",
)


def tiny_network(seed: int = 0, features: int = 4) -> UNet:
    torch.manual_seed(seed)
    return build_network("funet", in_channels=1, num_classes=3, features=features, depth=3)


def weights_of(network: nn.Module) -> list[torch.Tensor]:
    return [tensor.clone() for tensor in network.state_dict().values()]


def same(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_training_learns_both_structures():
    network = tiny_network(features=8)
    config = replace(
        FAST,
        epochs=10,
        steps_per_epoch=12,
        learning_rate=1e-2,
        schedule="constant",
        augmentation=None,
    )
    validation = disc_slices(4, "other")
    events = list(train(network, disc_slices(8), config=config, validation=validation))
    last = events[-1]
    assert isinstance(last, TrainingFinished)
    assert last.best_score > 0.85
    best = [e for e in events if isinstance(e, EpochFinished) and e.epoch == last.best_epoch]
    assert min(best[0].validation_dice) > 0.8


def test_events_count_every_batch_and_end_with_the_best_epoch():
    events = list(train(tiny_network(), disc_slices(4), config=FAST, validation=disc_slices(2)))
    steps = [event for event in events if isinstance(event, StepFinished)]
    assert [(e.epoch, e.step) for e in steps] == [(a, b) for a in (1, 2, 3) for b in (1, 2, 3, 4)]
    assert [e.fraction for e in steps] == sorted(e.fraction for e in steps)
    assert steps[-1].fraction == 1
    assert steps[-1].seconds_left == 0
    epochs = [event for event in events if isinstance(event, EpochFinished)]
    assert events[-1].best_epoch == max(e.epoch for e in epochs if e.is_best)


def test_the_same_seed_gives_the_same_weights_to_the_bit():
    networks = [tiny_network(), tiny_network()]
    for network in networks:
        torch.rand(7)  # the caller's own random numbers must not matter
        list(train(network, disc_slices(4), config=FAST))
    assert same(weights_of(networks[0]), weights_of(networks[1]))


def test_validation_that_only_watches_does_not_choose_the_result():
    """A validation in which every epoch is worse than the first would choose the first."""
    config = replace(FAST, choose_best=False)
    samples = disc_slices(4, "train")
    worse = [replace(s, labels=1 - s.labels.clip(max=1)) for s in disc_slices(2, "worse")]
    plain, watched = tiny_network(), tiny_network()
    list(train(plain, samples, config=config))
    events = list(train(watched, samples, config=config, validation=worse))
    assert same(weights_of(plain), weights_of(watched))
    epochs = [event for event in events if isinstance(event, EpochFinished)]
    assert all(event.validation_dice is not None for event in epochs)
    assert events[-1].best_epoch == config.epochs
    chosen = tiny_network()
    *_, last = train(chosen, samples, config=FAST, validation=worse)
    assert last.best_epoch < config.epochs


def test_another_seed_gives_other_weights():
    networks = [tiny_network(), tiny_network()]
    for seed, network in enumerate(networks):
        list(train(network, disc_slices(4), config=replace(FAST, seed=seed)))
    assert not same(weights_of(networks[0]), weights_of(networks[1]))


def test_training_leaves_the_global_random_numbers_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    list(train(tiny_network_without_seeding(), disc_slices(2), config=replace(FAST, epochs=1)))
    assert torch.equal(torch.rand(3), expected)


def tiny_network_without_seeding() -> UNet:
    with torch.random.fork_rng():
        return tiny_network()


@pytest.mark.parametrize("preset", [FAST, replace(FAST, averaging=None, augmentation=None)])
def test_a_training_stopped_at_any_event_resumes_to_the_bit(preset, tmp_path):
    samples, validation = disc_slices(4), disc_slices(2, "other")
    whole = tiny_network()
    list(train(whole, samples, config=preset, validation=validation))
    for stop_after in (1, 6, 11):
        checkpoint = tmp_path / f"{stop_after}.safetensors"
        events = train(
            tiny_network(),
            samples,
            config=preset,
            validation=validation,
            checkpoint=checkpoint,
            checkpoint_seconds=0,
        )
        for _ in range(stop_after):
            next(events)
        events.close()
        resumed = tiny_network(seed=99)
        list(train(resumed, samples, config=preset, validation=validation, checkpoint=checkpoint))
        expected = tiny_network(seed=99) if not checkpoint.exists() else whole
        if stop_after > 5:
            assert same(weights_of(resumed), weights_of(expected))


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    checkpoint = tmp_path / "state.safetensors"
    list(train(tiny_network(), disc_slices(4), config=FAST, checkpoint=checkpoint))
    with pytest.raises(TrainingError, match="other data or settings"):
        list(train(tiny_network(), disc_slices(5), config=FAST, checkpoint=checkpoint))


def test_a_damaged_checkpoint_is_refused_by_name(tmp_path):
    checkpoint = tmp_path / "state.safetensors"
    checkpoint.write_bytes(b"not a checkpoint")
    with pytest.raises(TrainingError, match=r"state\.safetensors is damaged"):
        list(train(tiny_network(), disc_slices(4), config=FAST, checkpoint=checkpoint))


def test_a_cancel_is_noticed_before_the_next_batch():
    cancel = CancelToken()
    events = train(tiny_network(), disc_slices(4), config=FAST, cancel=cancel)
    next(events)
    cancel.cancel()
    with pytest.raises(Cancelled):
        next(events)


def test_training_stops_when_it_no_longer_improves():
    config = replace(FAST, epochs=50, steps_per_epoch=1, learning_rate=1e-7, patience=2)
    events = list(train(tiny_network(), disc_slices(2), config=config, validation=disc_slices(2)))
    assert events[-1].reason == "no longer improving"
    assert sum(isinstance(event, EpochFinished) for event in events) < 50


def test_training_stops_when_the_time_is_up():
    config = replace(FAST, epochs=10_000, max_seconds=0.3)
    assert list(train(tiny_network(), disc_slices(2), config=config))[-1].reason == "time is up"


@pytest.mark.parametrize("limit", [{"patience": 2}, {"max_seconds": 1e-9}, {"epochs": 3}])
def test_a_training_at_its_end_does_not_go_on_when_it_is_resumed(tmp_path, limit):
    config = replace(FAST, **{"epochs": 50, "steps_per_epoch": 1, "learning_rate": 1e-7} | limit)
    networks, ends = [], []
    for _ in range(2):
        networks.append(tiny_network())
        slices, checkpoint = disc_slices(2), tmp_path / "checkpoint"
        ends.append(
            list(
                train(networks[-1], slices, config=config, validation=slices, checkpoint=checkpoint)
            )
        )
    assert any(isinstance(event, EpochFinished) for event in ends[0])
    assert not any(isinstance(event, EpochFinished) for event in ends[1])
    assert ends[0][-1] == ends[1][-1]
    assert same(weights_of(networks[0]), weights_of(networks[1]))


def test_one_slice_too_small_to_be_normalised_is_refused_in_plain_words():
    tiny = [replace(s, image=s.image[:4, :4], labels=s.labels[:4, :4]) for s in disc_slices(2)]
    config = replace(FAST, batch_size=1, augmentation=None)
    with pytest.raises(TrainingError, match="larger batches or larger slices"):
        list(train(tiny_network(), tiny, config=config))


def test_the_time_left_is_that_to_the_end_of_the_epoch_in_which_the_time_ends():
    config = replace(FAST, epochs=10_000, steps_per_epoch=5, max_seconds=1e-9)
    events = list(train(tiny_network(), disc_slices(2), config=config))
    left = [event.seconds_left for event in events if isinstance(event, StepFinished)]
    assert len(left) == 5
    assert min(left[:4]) > 0
    assert left[4] == 0


def test_nothing_to_learn_from_is_refused():
    with pytest.raises(TrainingError, match="annotate at least one slice"):
        list(train(tiny_network(), [], config=FAST))


def test_frozen_statistics_stay_and_the_weights_learn():
    network = tiny_network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    list(train(network, disc_slices(4), config=replace(FAST, freeze_statistics=True)))
    after = network.state_dict()
    statistics = [name for name in before if "running" in name]
    assert statistics
    assert all(torch.equal(before[name], after[name]) for name in statistics)
    assert not torch.equal(before["head.weight"], after["head.weight"])


def test_without_dropout_nothing_is_drawn_while_the_network_learns():
    results = []
    for dropout in (0.0, 0.25):
        network = tiny_network()
        network.dropout.p = dropout
        list(train(network, disc_slices(4), config=replace(FAST, dropout=False)))
        results.append(weights_of(network))
    assert same(*results)


def test_slices_side_by_side_teach_what_they_teach_in_one_batch(set_threads):
    set_threads(2)
    config = replace(FAST, freeze_statistics=True, dropout=False)
    network = tiny_network()
    list(train(network, disc_slices(4), config=config))
    again = tiny_network()
    list(train(again, disc_slices(4), config=config))
    assert same(weights_of(network), weights_of(again))
    set_threads(1)  # one batch
    alone = tiny_network()
    list(train(alone, disc_slices(4), config=config))
    torch.testing.assert_close(weights_of(network), weights_of(alone), rtol=1e-3, atol=1e-4)


def test_an_encoder_rate_of_zero_leaves_the_contracting_path_alone():
    network = tiny_network()
    before = [parameter.clone() for parameter in network.encoder_parameters()]
    list(train(network, disc_slices(4), config=replace(FAST, encoder_rate=0.0, weight_decay=0)))
    assert same(before, list(network.encoder_parameters()))


def test_the_paper_preset_is_the_papers_recipe():
    config = training_preset("paper")
    assert (config.batch_size, config.learning_rate, config.epochs) == (5, 0.001, 400)
    assert config.augmentation is None
    assert config.loss == LossConfig(name="feedback", beta=3.0, min_weight=0.01)


def test_in_practice_the_loss_is_the_one_that_did_best():
    assert training_preset("practice").loss == LossConfig("cross_entropy", dice_weight=1.0)


@pytest.mark.parametrize("settings", [{"epochs": 0}, {"learning_rate": float("nan")}])
def test_settings_without_sense_are_refused(settings):
    with pytest.raises(InputError):
        replace(FAST, **settings)


def test_bfloat16_training_stays_close_to_float32():
    scores = []
    for precision in ("float32", "bfloat16"):
        config = replace(FAST, epochs=6, learning_rate=1e-2, precision=precision)
        events = list(
            train(tiny_network(), disc_slices(8), config=config, validation=disc_slices(4, "b"))
        )
        scores.append(events[-1].best_score)
    assert abs(scores[0] - scores[1]) < 0.1


def test_few_samples_are_learned_in_no_fewer_batches_than_asked_for():
    config = replace(training_preset("practice"), epochs=1, augmentation=None, device="cpu")
    events = train(tiny_network(), disc_slices(2, sides=(32, 32)), config=config)
    steps = [event.step for event in events if isinstance(event, StepFinished)]
    assert steps == [1, 2, 3]
