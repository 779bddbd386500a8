"""Augmentation against torchvision, scipy and plain formulas; and the promise that nothing but the draw decides."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
import torch
import torchvision.transforms.functional as vision

from flambeau.inputs.augment import Draw, steps
from flambeau.inputs.augment import pictures as grouping
from flambeau.inputs.augment.colour import RGB_TO_YIQ, colouring
from flambeau.inputs.augment.geometry import affine_map, moving
from flambeau.inputs.augment.grain import blur, graining, rectangles
from flambeau.inputs.augment.mixing import partners, smaller_shares
from flambeau.inputs.augment.pictures import STREAMS, Pictures
from flambeau.inputs.image import ImageInput
from flambeau.types import Batch


def soft(targets: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.one_hot(targets, 10).float() if targets.ndim == 1 else targets


def drawn(indices: object, epoch: int = 1) -> Draw:
    return Draw(3, epoch, np.asarray(indices, np.int64), soft)


def fixed(*numbers: float) -> Callable[[int], np.ndarray]:
    """Draws that are known: number k of every example is numbers[k]."""
    return lambda number: np.array([numbers[number]])


def pictures(batch: int, channels: int = 3, height: int = 20, width: int = 28) -> torch.Tensor:
    noise = np.random.default_rng(0).uniform(0, 255, (batch, channels, height, width))
    return torch.from_numpy(scipy.ndimage.gaussian_filter(noise, (0, 0, 2, 2)) * 3 % 255).float()


def move(images: torch.Tensor, chosen: list[steps.Step], draws: list[Callable[[int], np.ndarray]]) -> torch.Tensor:
    return moving(chosen, draws, *images.shape[2:])(images, slice(None))


def colour(images: torch.Tensor, chosen: list[steps.Step], draws: list[Callable[[int], np.ndarray]]) -> torch.Tensor:
    return colouring(chosen, draws, images.shape[1], len(images))(images, slice(None))


def vary(augment: list[object], images: torch.Tensor, indices: object, epoch: int = 1) -> Batch:
    given = ImageInput(size=tuple(images.shape[2:]), resize="stretch", channels=images.shape[1], augment=augment)
    apply = given.augmentation(given.spec)
    assert apply is not None
    return apply(Batch({"picture": images}, torch.arange(len(images)) % 10), drawn(indices, epoch))


# geometry

NOTHING = steps.Rotate(degrees=0)
"""Beside it, shifts and flips are resampled, too."""

MOVES = [
    (steps.Rotate(degrees=40), (0.9,)),
    (steps.Scale(by=0.5), (0.2,)),
    (steps.Scale(by=0.5), (0.9,)),
    (steps.Shift(by=0.3), (0.8, 0.1)),
    (steps.Shear(degrees=20), (0.95,)),
    (steps.Crop(by=0.5), (0.7, 0.2, 0.9)),
    (steps.Flip(), (0.1,)),
    (steps.AlternatingFlip(), (0.1,)),
    (steps.VerticalFlip(), (0.1,)),
]


@pytest.mark.parametrize(("step", "draws"), MOVES, ids=lambda value: getattr(value, "name", None))
def test_each_move_is_scipys_resampling(step, draws):
    images = pictures(1)
    got = move(images, [step, NOTHING], [fixed(*draws), fixed(0.5)])[0].numpy()
    (matrix,) = affine_map(step, fixed(*draws), 20, 28)
    swapped = matrix[[1, 0, 2]][:, [1, 0, 2]]  # scipy counts (row, column)
    middle = np.array([9.5, 13.5])
    offset = middle - swapped[:2, :2] @ middle + swapped[:2, 2]
    for channel, image in enumerate(images[0].numpy()):
        wanted = scipy.ndimage.affine_transform(image, swapped[:2, :2], offset, order=1, mode="nearest")
        assert np.abs(got[channel] - wanted).max() < 0.05


@pytest.mark.parametrize(
    ("step", "draws", "angle", "shift", "scale", "shear"),
    [
        (steps.Rotate(degrees=30), (0.9,), -24.0, (0, 0), 1.0, 0.0),
        (steps.Shift(by=0.5), (0.25, 0.75), 0.0, (7, -5), 1.0, 0.0),
        (steps.Scale(by=0.25), (0.0,), 0.0, (0, 0), 1.25, 0.0),
        (steps.Shear(degrees=20), (0.75,), 0.0, (0, 0), 1.0, 10.0),
    ],
    ids=["rotate", "shift", "scale", "shear"],
)
def test_moves_are_torchvisions(step, draws, angle, shift, scale, shear):
    images = pictures(1)
    got = move(images, [step], [fixed(*draws)])
    turned = [vision.affine(images, sign * angle, list(shift), scale, [sign * shear, 0.0], vision.InterpolationMode.BILINEAR) for sign in (1, -1)]
    inside = (..., slice(6, -6), slice(8, -8))  # torchvision fills with black beyond the border
    assert min(float((got - each)[inside].abs().max()) for each in turned) < 0.05


def test_several_moves_are_one_and_in_order():
    images = pictures(1, height=24, width=24)
    chosen, draws = [steps.Flip(), steps.Shift(by=0.25)], [fixed(0.0), fixed(1.0, 0.5)]
    got = move(images, chosen, draws)
    flipped_first = move(move(images, chosen[:1], draws[:1]), chosen[1:], draws[1:])
    shifted_first = move(move(images, chosen[1:], draws[1:]), chosen[:1], draws[:1])
    assert (got - flipped_first).abs().max() < 0.05 < (got - shifted_first).abs().max()


def test_flips_alone_are_exact():
    images = pictures(64)
    varied = vary([{"flip": 0.5}, {"vertical_flip": 0.5}], images, range(64)).inputs["picture"]
    ways = [images, images.flip(3), images.flip(2), images.flip(2, 3)]
    equal = torch.stack([(varied == way).flatten(1).all(1) for way in ways])
    assert equal.any(0).all() and (equal.sum(1) >= 8).all()


@pytest.mark.parametrize("draws", [(0.62, 0.4), (0.0, 0.999), (1.0, 0.0)])
def test_shifts_and_flips_alone_copy_whole_pixels(draws):
    images = pictures(1, height=21, width=30)
    across, down = (round((2 * draw - 1) * 0.3 * size) for draw, size in zip(draws, (30, 21), strict=True))
    shifted = np.roll(np.pad(images.numpy(), ((0, 0), (0, 0), (9, 9), (9, 9)), mode="edge"), (-down, -across), (2, 3))[:, :, 9:-9, 9:-9]
    got = move(images, [steps.Shift(by=0.3), steps.Flip(), steps.VerticalFlip()], [fixed(*draws), fixed(0.1), fixed(0.9)])
    np.testing.assert_array_equal(got.numpy(), shifted[:, :, :, ::-1])


def test_an_alternating_flip_shows_both_sides_of_each_picture_in_two_epochs():
    images, rows = pictures(64), range(64)
    epochs = [vary(["alternating_flip"], images, rows, epoch).inputs["picture"] for epoch in (1, 2, 3)]
    flipped = [(varied == images.flip(3)).flatten(1).all(1) for varied in epochs]
    as_they_are = (epochs[0] == images).flatten(1).all(1)
    assert (flipped[0] ^ as_they_are).all() and 16 <= flipped[0].sum() <= 48
    assert (flipped[0] ^ flipped[1]).all() and (flipped[0] == flipped[2]).all()


def test_nothing_to_move_moves_nothing():
    images = pictures(4)
    varied = vary([{"rotate": 0}, {"scale": 0}, {"shift": 0}, {"shear": 0}, {"crop": 0}], images, range(4))
    assert (varied.inputs["picture"] - images).abs().max() < 0.01


def test_the_bounds_are_kept():
    uniform = np.linspace(0, 1, 101)
    angles = np.degrees(np.arctan2(affine_map(steps.Rotate(degrees=10), lambda _: uniform, 9, 9)[:, 0, 1], 1))
    assert np.abs(angles).max() < 10.01
    zooms = affine_map(steps.Scale(by=0.25), lambda _: uniform, 9, 9)[:, 0, 0]
    assert zooms.min() == pytest.approx(0.8) and zooms.max() == pytest.approx(1.25)
    shifts = affine_map(steps.Shift(by=0.1), lambda _: uniform, 40, 20)
    assert np.abs(shifts[:, 0, 2]).max() == pytest.approx(2) and np.abs(shifts[:, 1, 2]).max() == pytest.approx(4)
    corner = np.array([9.5, 4.5, 1])  # the window of a crop never leaves the picture
    crops = affine_map(steps.Crop(by=0.6), lambda _: uniform, 10, 20) @ corner
    assert (crops[:, :2] <= corner[:2] + 0.5).all()


# colour


@pytest.mark.parametrize("factor", [0.6, 1.0, 1.4])
def test_brightness_contrast_and_saturation_are_torchvisions(factor):
    images = pictures(1) * 0.3 + 80  # nothing is cut off at black or white
    number = (factor - 0.5) / 1.0
    for step, referee in (
        (steps.Brightness(by=0.5), vision.adjust_brightness),
        (steps.Contrast(by=0.5), vision.adjust_contrast),
        (steps.Colour(saturation=0.5), vision.adjust_saturation),
    ):
        got = colour(images, [step], [fixed(number, 0.5)])
        assert (got - referee(images / 255, factor) * 255).abs().max() < 0.05


def test_several_colour_steps_are_one_pass_in_order():
    images = pictures(1) * 0.3 + 80
    chosen = [steps.Colour(saturation=0.5, hue=30), steps.Contrast(by=0.4), steps.Brightness(by=0.3), steps.Contrast(by=0.4)]
    draws = [fixed(0.9, 0.8), fixed(0.1), fixed(0.9), fixed(0.7)]
    alone = images
    for step, draw in zip(chosen, draws, strict=True):
        alone = colour(alone, [step], [draw])
    assert (colour(images, chosen, draws) - alone).abs().max() < 0.02


def test_hue_turns_the_colour_and_keeps_the_luma():
    images = pictures(1) * 0.2 + 100
    turned = colour(images, [steps.Colour(saturation=0, hue=90)], [fixed(0.5, 1.0)])
    before, after = (np.tensordot(RGB_TO_YIQ, image[0].double().numpy(), 1) for image in (images, turned))
    assert np.abs(after[0] - before[0]).max() < 0.01
    assert np.abs(after[1] + before[2]).max() < 0.01 and np.abs(after[2] - before[1]).max() < 0.01


def test_grey_pictures_have_no_colour_to_change():
    images = pictures(2, channels=1)
    assert torch.equal(vary([{"colour": {"saturation": 1, "hue": 90}}], images, [0, 1]).inputs["picture"], images)


def test_levels_stay_between_black_and_white():
    images = pictures(32)
    varied = vary([{"brightness": 1}, {"contrast": 1}, {"colour": 1}, {"noise": 100}, "blur"], images, range(32)).inputs["picture"]
    assert varied.min() == 0 and varied.max() == 255


# blur, noise, erasing


@pytest.mark.parametrize("sigma", [0.0, 0.5, 1.5])
def test_blur_is_scipys(sigma):
    images = pictures(2)
    got = blur(images, np.array([sigma, 0]), 6)
    wanted = scipy.ndimage.gaussian_filter(images[0].numpy(), (0, sigma, sigma), mode="nearest", radius=6) if sigma else images[0]
    assert np.abs(got[0].numpy() - np.asarray(wanted)).max() < 0.01
    assert (got[1] - images[1]).abs().max() < 0.01


def test_noise_is_normal_and_as_strong_as_drawn():
    images = torch.full((2, 3, 64, 64), 128.0)
    noise = (graining(steps.Noise(std=20), lambda number: np.array([[0.5, 0.5], [0.1, 0.9], [0.3, 0.3]][number]))(images, slice(None)) - 128).numpy()
    assert abs(noise[0].std() - 10) < 0.3 and abs(noise[0].mean()) < 0.3
    assert scipy.stats.kstest(noise[0].ravel()[:2000] / 10, "norm").pvalue > 1e-3
    assert np.allclose(noise[1], -noise[0], atol=1e-4), "the sheet is turned over"


def test_erasing_fills_one_rectangle_with_the_mean():
    images = pictures(200)
    erased = vary([{"erase": {"area": 0.25, "probability": 0.5}}], images, range(200)).inputs["picture"]
    holes = (erased != images).any(1)
    shares = holes.float().mean((1, 2))
    assert 0.35 < float((shares > 0).float().mean()) < 0.6 and float(shares.max()) < 0.28
    for place in torch.nonzero(shares > 0)[:10, 0]:
        rows, columns = torch.nonzero(holes[place], as_tuple=True)
        assert len(rows) == (rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1)
        mean = images[place].mean((1, 2))
        assert torch.allclose(erased[place][:, rows[0], columns[0]], mean, atol=0.01)


def test_rectangles_lie_inside_and_report_their_share():
    images = torch.zeros(50, 1, 9, 13)
    dice = np.random.default_rng(0)
    masks, shares = rectangles(images, *dice.random((4, 50)))
    assert np.allclose(masks.float().mean((1, 2, 3)).numpy(), shares)


# mixing


def test_partners_form_one_ring():
    partner = partners(np.random.default_rng(0).random(17))
    seen, place = set(), 0
    while place not in seen:
        seen.add(place)
        place = int(partner[place])
    assert len(seen) == 17 and partners(np.array([0.5])).tolist() == [0]


@pytest.mark.parametrize("alpha", [0.1, 0.2, 0.5, 1.0, 2.0, 4.0])
def test_shares_are_scipys_beta(alpha):
    uniform = np.linspace(0.001, 0.999, 500)
    assert np.abs(smaller_shares(uniform, alpha) - scipy.stats.beta.ppf(uniform / 2, alpha, alpha)).max() < 5e-4


def test_mixup_blends_pictures_and_targets_alike():
    images = torch.eye(8).reshape(8, 8, 1, 1).expand(8, 8, 4, 4) * 200  # channel k belongs to example k
    mixed = Pictures((steps.Mixup(alpha=1.0),))(Batch({"x": images}, torch.arange(8)), drawn(range(8)))
    assert mixed.targets is not None and mixed.targets.shape == (8, 10)
    assert torch.allclose(mixed.inputs["x"][:, :, 0, 0] / 200, mixed.targets[:, :8], atol=1e-5)
    assert torch.allclose(mixed.targets.sum(1), torch.ones(8)) and (mixed.targets.max(1).values >= 0.5).all()
    assert (mixed.targets > 0).sum(1).tolist() == [2] * 8


def test_cutmix_mixes_targets_by_area():
    images = torch.eye(8).reshape(8, 8, 1, 1).expand(8, 8, 20, 20) * 200
    mixed = Pictures((steps.Cutmix(probability=0.5),))(Batch({"x": images}, torch.arange(8)), drawn(range(8)))
    assert mixed.targets is not None
    assert set(torch.unique(mixed.inputs["x"]).tolist()) == {0, 200}
    assert torch.allclose(mixed.inputs["x"].mean((2, 3)) / 200, mixed.targets[:, :8], atol=1e-5)
    assert {1, 2} >= set((mixed.targets > 0).sum(1).tolist())


def test_mixing_without_targets_and_of_one_example():
    images = pictures(1)
    alone = Pictures((steps.Mixup(), steps.Cutmix()))(Batch({"x": images}, None), drawn([5]))
    assert alone.targets is None and torch.equal(alone.inputs["x"], images)


# the whole

ALL = [step.name for step in steps.STEPS if step.name not in {"mixup", "cutmix"}]


def test_an_example_is_varied_alike_in_any_batch_and_order():
    images = pictures(12)
    order = np.random.default_rng(1).permutation(12)
    together = vary(ALL, images, range(12)).inputs["picture"]
    shuffled = vary(ALL, images[order], order).inputs["picture"]
    assert torch.equal(shuffled, together[order])
    for place in range(12):
        assert torch.equal(vary(ALL, images[place : place + 1], [place]).inputs["picture"], together[place : place + 1])


@pytest.mark.parametrize("size", [(6, 9), (96, 64)])
def test_pictures_in_groups_are_the_same_as_all_at_once(size, monkeypatch):
    images = pictures(13, height=size[0], width=size[1])
    together, apart = (
        [monkeypatch.setattr(grouping, "GROUP", group), vary(ALL, images, range(13)).inputs["picture"]][1]
        for group in (1 << 40, 5 * 4 * images[0].numel())
    )
    assert torch.equal(together, apart)


def test_mixing_does_not_depend_on_the_order_of_the_batch():
    images, order = pictures(9), np.random.default_rng(1).permutation(9)
    together = vary(["mixup", "cutmix"], images, range(9))
    given = ImageInput(size=(20, 28), resize="stretch", channels=3, augment=["mixup", "cutmix"])
    shuffled = given.augmentation(given.spec)(Batch({"x": images[order]}, torch.from_numpy(order)), drawn(order))
    assert torch.equal(shuffled.inputs["x"], together.inputs["picture"][order])
    assert torch.equal(shuffled.targets, together.targets[order])


@pytest.mark.parametrize("name", [step.name for step in steps.STEPS])
def test_every_step_varies_with_epoch_and_example_and_gives_levels(name):
    images = pictures(16)
    first, again, next_epoch = (vary([name], images, range(16), epoch).inputs["picture"] for epoch in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, next_epoch)
    assert first.dtype == torch.float32 and first.shape == images.shape
    assert first.min() >= -1e-3 and first.max() <= 255.001
    same = images[:1].expand(16, -1, -1, -1).contiguous()
    if name not in {"mixup", "cutmix"}:
        assert len(torch.unique(vary([name], same, range(16)).inputs["picture"].flatten(1), dim=0)) > 1


def test_bytes_and_floats_are_varied_alike():
    images = pictures(4).round()
    assert torch.equal(vary(ALL, images, range(4)).inputs["picture"], vary(ALL, images.byte(), range(4)).inputs["picture"])


def test_equal_steps_draw_their_own_numbers():
    images = pictures(8)
    once, twice = (vary([{"rotate": 20}] * times, images, range(8)).inputs["picture"] for times in (1, 2))
    doubled = move(images, [steps.Rotate(degrees=40)], [drawn(range(8)).uniform])
    assert not torch.equal(once, twice) and (twice - doubled).abs().max() > 1


def test_no_step_draws_more_than_its_streams():
    """Two steps that shared a stream would vary together."""
    asked: list[int] = []

    class Watched(Draw):
        def uniform(self, stream: int) -> np.ndarray:
            asked.append(stream)
            return super().uniform(stream)

    for step in steps.STEPS:
        asked.clear()
        given = ImageInput(size=(20, 28), resize="stretch", channels=3, augment=[{"flip": 0}, step.name])
        given.augmentation(given.spec)(Batch({"x": pictures(2)}, torch.zeros(2, dtype=torch.long)), Watched(0, 0, np.arange(2), soft))
        own = [stream for stream in asked if stream >= STREAMS]
        assert own and len(own) == len(set(own)) and max(own) < 2 * STREAMS


@pytest.mark.parametrize("name", [step.name for step in steps.STEPS])
def test_every_step_works_on_the_device_of_the_batch(name):
    """On "meta" whatever is left on the CPU cannot be combined with the pictures."""
    images, targets = torch.zeros(3, 3, 8, 8, device="meta"), torch.zeros(3, 10, device="meta")
    varied = Pictures((next(step for step in steps.STEPS if step.name == name)(),))(Batch({"x": images}, targets), drawn(range(3)))
    assert varied.inputs["x"].device.type == varied.targets.device.type == "meta"
    assert varied.inputs["x"].shape == images.shape
