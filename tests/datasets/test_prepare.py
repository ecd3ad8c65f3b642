"""Pictures of every kind become a consistent folder, or a sentence says why not."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from audit.planting import huge_png
from PIL import Image
from system.cli import run_here

import inspector.datasets.prepare as module
from inspector.datasets.prepare import ManifestEntry, PrepareSettings, prepare_folder
from inspector.errors import DataError, InputError


def colours(width: int = 60, height: int = 40) -> Image.Image:
    """Red at the upper left, else a soft gradient."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, :, 1] = np.linspace(40, 200, width)[None, :]
    pixels[:, :, 2] = np.linspace(40, 200, height)[:, None]
    pixels[: height // 4, : width // 4] = (250, 0, 0)
    return Image.fromarray(pixels)


def written(folder: Path, entry: ManifestEntry) -> np.ndarray:
    assert entry.output is not None, entry.skipped
    image = cv2.imread(str(folder / entry.output), cv2.IMREAD_UNCHANGED)
    assert image is not None
    assert image.dtype == np.uint8
    assert (image.shape[1], image.shape[0]) == entry.size
    return image


def one(source: Path, out: Path, settings: PrepareSettings | None = None) -> ManifestEntry:
    (entry,) = prepare_folder(source, out, settings or PrepareSettings(png=True))
    return entry


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.bmp", "a.tif", "a.TIFF"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_every_format(source: Path, out: Path, name: str, mode: str) -> None:
    original = colours().convert(mode)
    original.save(source / name)
    image = written(out, one(source, out))
    expected = np.asarray(original)
    if image.ndim == 3:
        image = image[:, :, ::-1]
        expected = expected if expected.ndim == 3 else np.repeat(expected[:, :, None], 3, 2)
    # WebP and JPEG lose a little
    assert np.abs(image.astype(int) - expected).mean() < 4


def test_jpeg_of_the_quality_and_size_asked_for(source: Path, out: Path) -> None:
    colours(600, 400).save(source / "a.png")
    entry = one(source, out, PrepareSettings(max_side=300, quality=90))
    assert entry.output == "a.jpg"
    assert (entry.original_size, entry.size) == ((600, 400), (300, 200))
    assert entry.done == ("resized to 300 x 200", "JPEG, quality 90")
    assert (out / "a.jpg").read_bytes()[:3] == b"\xff\xd8\xff"
    large = (out / "a.jpg").stat().st_size
    one(source, out, PrepareSettings(max_side=300, quality=20))
    assert (out / "a.jpg").stat().st_size < large
    assert one(source, out, PrepareSettings(max_side=1000)).size == (600, 400)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("turned", range(1, 9))
def test_the_orientation_of_exif_is_applied(source: Path, out: Path, suffix: str, turned: int) -> None:
    upright = colours()
    # as a camera would have stored it
    stored = {
        2: (Image.Transpose.FLIP_LEFT_RIGHT,),
        3: (Image.Transpose.ROTATE_180,),
        4: (Image.Transpose.FLIP_TOP_BOTTOM,),
        5: (Image.Transpose.TRANSPOSE,),
        6: (Image.Transpose.ROTATE_90,),
        7: (Image.Transpose.TRANSVERSE,),
        8: (Image.Transpose.ROTATE_270,),
    }.get(turned, ())
    image = upright
    for step in stored:
        image = image.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = turned
    image.save(source / f"a.{suffix}", exif=exif)
    entry = one(source, out)
    assert entry.original_size == (60, 40)
    assert ("turned upright" in entry.done) == (turned != 1)
    difference = written(out, entry)[:, :, ::-1].astype(int) - np.asarray(upright)
    assert np.abs(difference).mean() < 5


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 3)])
def test_16_bits_are_scaled_by_one_factor_for_the_folder(
    source: Path, out: Path, suffix: str, shape: tuple[int, ...]
) -> None:
    dark, bright = np.full(shape, 1000, np.uint16), np.full(shape, 1000, np.uint16)
    bright[10:20] = 4095
    if len(shape) == 3:
        bright[30:, :, 2] = 2000  # red, as OpenCV counts
    cv2.imwrite(str(source / f"bright.{suffix}"), bright)
    cv2.imwrite(str(source / f"dark.{suffix}"), dark)
    entries = prepare_folder(source, out, PrepareSettings(png=True))
    first, second = (written(out, entry) for entry in entries)
    assert first.shape == shape
    assert (first[12] == 255).all()
    assert (first[:10] == 62).all()
    assert (second == 62).all(), "a dark picture beside a bright one stays dark"
    if len(shape) == 3:
        assert (first[35, :, 2] == 125).all()
        assert (first[35, :, 0] == 62).all()
    assert all("16 to 8 bit, 12 bits in use" in entry.done for entry in entries)


def test_cmyk_palette_and_transparency_become_rgb(source: Path, out: Path) -> None:
    colours().convert("CMYK").save(source / "cmyk.jpg", quality=95)
    colours().convert("P").save(source / "palette.png")
    clear = colours().convert("RGBA")
    clear.putalpha(0)
    clear.save(source / "clear.png")
    entries = {entry.source: entry for entry in prepare_folder(source, out, PrepareSettings(png=True))}
    assert "CMYK to RGB" in entries["cmyk.jpg"].done
    cmyk = written(out, entries["cmyk.jpg"])[:, :, ::-1].astype(int)
    assert np.abs(cmyk - np.asarray(colours())).mean() < 12
    palette = written(out, entries["palette.png"])[:, :, ::-1].astype(int)
    assert np.abs(palette - np.asarray(colours())).mean() < 20
    assert (written(out, entries["clear.png"]) == 255).all()


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.tif"])
def test_of_an_animation_the_first_frame_is_taken_and_named(source: Path, out: Path, name: str) -> None:
    others = [Image.new("RGB", (60, 40), (0, 0, shade)) for shade in (90, 180)]
    options = {"lossless": True} if name == "a.webp" else {}
    colours().save(source / name, save_all=True, append_images=others, **options)
    entry = one(source, out)
    assert "first of 3 frames" in entry.done
    image = written(out, entry)[:, :, ::-1].astype(int)
    assert np.abs(image - np.asarray(colours())).mean() < 20


def test_what_cannot_be_read_is_left_out_with_a_sentence(source: Path, out: Path) -> None:
    colours().save(source / "good.png")
    (source / "empty.jpg").write_bytes(b"")
    (source / "text.png").write_text("no picture")
    (source / "huge.png").write_bytes(huge_png(20_000, 10_000))
    buffer = io.BytesIO()
    colours(300, 200).save(buffer, "JPEG", quality=95)
    (source / "truncated.jpg").write_bytes(buffer.getvalue()[:4000])
    (source / "notes.txt").write_text("passed over")
    entries = {entry.source: entry for entry in prepare_folder(source, out, PrepareSettings())}
    skipped = {name: entry.skipped for name, entry in entries.items() if entry.skipped}
    assert set(entries) - set(skipped) == {"good.png"}
    assert "the file is empty" in str(skipped["empty.jpg"])
    assert "no picture that can be read" in str(skipped["text.png"])
    assert "20000 x 10000 pixels are too many: the limit is 200 megapixels" in str(skipped["huge.png"])
    assert "cannot be read to its end" in str(skipped["truncated.jpg"])
    assert sorted(path.name for path in out.iterdir()) == ["good.jpg", "manifest.jsonl"]


def test_just_under_the_limit_is_decoded(source: Path, out: Path) -> None:
    (source / "a.png").write_bytes(huge_png(19_999, 10_000))
    assert "cannot be read to its end" in str(one(source, out).skipped)


def test_the_manifest_has_both_digests(source: Path, out: Path) -> None:
    (source / "deep").mkdir()
    colours().save(source / "deep" / "a.bmp")
    (source / "b.jpg").write_bytes(b"")
    prepare_folder(source, out, PrepareSettings())
    empty, line = (json.loads(text) for text in (out / "manifest.jsonl").read_text().splitlines())
    assert line["source"] == "deep/a.bmp"
    assert line["output"] == "deep/a.jpg"
    assert line["source_sha256"] == hashlib.sha256((source / "deep/a.bmp").read_bytes()).hexdigest()
    assert line["output_sha256"] == hashlib.sha256((out / "deep/a.jpg").read_bytes()).hexdigest()
    assert line["original_size"] == line["size"] == [60, 40]
    assert line["done"] == ["JPEG, quality 92"]
    assert empty["output"] is None


def test_sources_of_one_stem_do_not_overwrite_one_another(source: Path, out: Path) -> None:
    for number, name in enumerate(["a.png", "a.bmp", "A.tif", "a_png.png", "b.png"]):
        Image.new("L", (8, 8), number * 50).save(source / name)
    entries = prepare_folder(source, out, PrepareSettings(png=True))
    assert {entry.source: entry.output for entry in entries} == {
        "a.png": "a_png_2.png",
        "a.bmp": "a_bmp.png",
        "A.tif": "A_tif.png",
        "a_png.png": "a_png.png",
        "b.png": "b.png",
    }
    levels = {entry.source: int(written(out, entry)[0, 0]) for entry in entries}
    assert levels == {"a.png": 0, "a.bmp": 50, "A.tif": 100, "a_png.png": 150, "b.png": 200}


def test_nothing_appears_before_all_is_written(
    source: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        colours().save(source / f"{number}.png")

    def full(*args: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_encoded", full)
    with pytest.raises(OSError, match="No space"):
        prepare_folder(source, out, PrepareSettings())
    assert [path.name for path in source.parent.iterdir()] == ["source"]


def test_only_its_own_output_is_replaced(source: Path, out: Path) -> None:
    colours().save(source / "a.png")
    prepare_folder(source, out, PrepareSettings())
    (source / "a.png").rename(source / "b.png")
    prepare_folder(source, out, PrepareSettings())
    assert sorted(path.name for path in out.iterdir()) == ["b.jpg", "manifest.jsonl"]
    (out / "manifest.jsonl").unlink()
    with pytest.raises(InputError, match="holds something else"):
        prepare_folder(source, out, PrepareSettings())
    for wrong in (source, source / "inside", source.parent):
        with pytest.raises(InputError, match="lie in each other"):
            prepare_folder(source, wrong, PrepareSettings())


def test_a_folder_without_pictures(source: Path, out: Path) -> None:
    with pytest.raises(DataError, match="holds no picture"):
        prepare_folder(source, out, PrepareSettings())
    with pytest.raises(DataError, match="is no folder"):
        prepare_folder(source / "none", out, PrepareSettings())
    assert not out.exists()


def test_the_command(
    source: Path, out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    colours(100, 80).save(source / "a.png")
    args = ("prepare", source, out, "--max-side", 50, "--quality", 80)
    outcome = run_here(monkeypatch, capsys, *args)
    assert outcome.code == 0, outcome.err
    assert "1 pictures in" in outcome.out
    image = cv2.imread(str(out / "a.jpg"))
    assert image is not None
    assert image.shape == (40, 50, 3)
    (source / "b.png").write_bytes(b"")
    outcome = run_here(monkeypatch, capsys, *args)
    assert outcome.code == 2
    assert "1 of 2 pictures" in outcome.err
    assert "b.png: the file is empty" in outcome.err
    assert "Traceback" not in outcome.err
    assert (out / "a.jpg").exists()
    outcome = run_here(monkeypatch, capsys, "prepare", source, out, "--format", "gif")
    assert outcome.code == 2
    assert "jpg or png" in outcome.err
