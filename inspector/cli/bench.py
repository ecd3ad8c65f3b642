"""Side-by-side measurements: ratios in one run, the last line of stdout is JSON of plain numbers."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from inspector.bundle import Bundle
from inspector.cli.common import load_station, say
from inspector.cli.simulated import DEMO_CONFIG
from inspector.config import LineConfig, StationConfig
from inspector.logs import configure_logging

DETECTOR_BUNDLE = DEMO_CONFIG.parent / "recipes" / "pump-cover" / "detector"

ANOMALY_BUNDLE = DEMO_CONFIG.parent / "recipes" / "pump-cover" / "surface"
TILED_BUNDLE = DEMO_CONFIG.parent / "recipes" / "pump-cover" / "detector"

app = typer.Typer(help="Side-by-side measurements, ratios in one run.", no_args_is_help=True)


@app.callback()
def _quietly() -> None:
    configure_logging("error")


@app.command()
def pipeline(
    config: Annotated[Path, typer.Option("--config", help="The line's configuration")] = DEMO_CONFIG,
    parts: Annotated[int, typer.Option(min=40, help="Parts a round")] = 300,
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved pairs of rounds")] = 5,
    dashboards: Annotated[
        int, typer.Option(min=0, help="Measure instead what so many open dashboards do to the station")
    ] = 0,
) -> None:
    """The whole station against the bare two-model loop on the same networks."""
    # only here: a line computer needs none of it
    from inspector.bench.pipeline import bench_pipeline

    line, station = load_station(config, None)
    if dashboards:
        _readers(line, station, parts, rounds, dashboards)
        return
    figures = bench_pipeline(line, station, parts=parts, rounds=rounds)
    say(
        f"bare loop {figures.bare_parts_per_s:7.1f} parts/s  p50 {figures.bare_p50_ms:6.2f} ms  "
        f"p99 {figures.bare_p99_ms:6.2f} ms  ({figures.bare_requests} requests in flight)"
    )
    say(
        f"station   {figures.station_parts_per_s:7.1f} parts/s  p50 {figures.station_p50_ms:6.2f} ms  "
        f"p99 {figures.station_p99_ms:6.2f} ms  ({figures.review} of {figures.parts} parts in REVIEW)"
    )
    say(json.dumps({name: round(value, 4) for name, value in asdict(figures).items()}))


def _readers(line: LineConfig, station: StationConfig, parts: int, rounds: int, count: int) -> None:
    from inspector.bench.readers import bench_readers

    found = bench_readers(line, station, parts=parts, rounds=rounds, dashboards=count)
    sides = {
        "alone": (found.write_ms, found.p50_ms, found.p99_ms),
        f"with {count} dashboards": (found.write_open_ms, found.p50_open_ms, found.p99_open_ms),
    }
    for side, (write, p50, p99) in sides.items():
        say(f"{side:18} a write {write:6.2f} ms  p50 {p50:7.2f} ms  p99 {p99:7.2f} ms")
    say(f"{found.misses} of {found.parts} parts missed the deadline")
    say(json.dumps({name: round(value, 4) for name, value in asdict(found).items()}))


@app.command()
def line(
    config: Annotated[Path, typer.Option("--config", help="The line's configuration")] = DEMO_CONFIG,
    parts: Annotated[int, typer.Option(min=40, help="Parts at each pace")] = 1000,
    messages: Annotated[int, typer.Option(min=20, help="Results by either client")] = 1000,
) -> None:
    """Paced triggers at 50, 70, 85 and 100 % of the bare two-model loop, through a real mosquitto."""
    # only here: a line computer needs none of it
    from inspector.bench.line import bench_line

    line_config, station = load_station(config, None)
    figures = bench_line(line_config, station, parts=parts, messages=messages)
    say(f"bare loop {figures.bare_parts_per_s:7.1f} parts/s")
    for pace in figures.paces:
        say(
            f"{pace.share:4.0%} {pace.parts_per_s:7.1f} parts/s  p50 {pace.p50_ms:7.2f} ms  "
            f"p99 {pace.p99_ms:7.2f} ms  p99.9 {pace.p999_ms:7.2f} ms  "
            f"{pace.misses} of {figures.parts} missed {figures.deadline_ms:g} ms"
        )
    say(f"without a miss up to {figures.highest_without_miss:.1f} parts/s")
    say(
        f"verdict to subscriber, p99: {figures.publish_p99_ms:.2f} ms, bare paho "
        f"{figures.raw_p99_ms:.2f} ms: {figures.publish_p99_ms / figures.raw_p99_ms:.2f} times"
    )
    say(json.dumps({name: round(value, 4) for name, value in figures.flat.items()}))


@app.command()
def detector(
    bundle: Annotated[Path, typer.Option("--bundle", help="The detector's bundle")] = DETECTOR_BUNDLE,
    frames: Annotated[int, typer.Option(min=10, help="Frames of the simulated line a round")] = 100,
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved rounds")] = 7,
    threads: Annotated[int | None, typer.Option(min=1, help="Of either network")] = None,
) -> None:
    """Our detector path against Ultralytics' own on the same network, and INT8 against both."""
    # only here: a line computer needs none of it
    from inspector.bench.detector import bench_detector
    from inspector.bench.pipeline import render_frames

    figures = bench_detector(
        Bundle.load(bundle), render_frames(frames, line_seed=7), rounds=rounds, threads=threads
    )
    alone = "bfloat16" if figures.unpinned_bf16 else "f32"
    say(f"ultralytics in f32   {figures.peer_ms:7.2f} ms a frame")
    say(f"left alone ({alone:>8}) {figures.unpinned_ms:6.2f} ms a frame")
    say(
        f"ours left alone      {figures.ours_unpinned_ms:7.2f} ms a frame, "
        f"{figures.unpinned_ratio:.2f} times as fast as the peer left alone"
    )
    say(f"ours in f32          {figures.ours_ms:7.2f} ms a frame, {figures.ratio:.2f} times as fast")
    say(f"two parts in flight  {figures.throughput_ratio:18.2f} times as many frames a second")
    say(f"ours in INT8         {figures.int8_ms:7.2f} ms a frame, {figures.int8_ratio:.2f} times ours")
    say(json.dumps({name: round(value, 4) for name, value in asdict(figures).items()}))


@app.command()
def anomaly(
    bundle: Annotated[Path, typer.Option("--bundle", help="The anomaly bundle")] = ANOMALY_BUNDLE,
    frames: Annotated[int, typer.Option(min=10, help="Frames of the simulated line a round")] = 100,
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved rounds")] = 7,
    threads: Annotated[int, typer.Option(min=1, help="Of each network")] = 2,
) -> None:
    """Our anomaly check against the bare network and anomalib's own inferencer on the same network."""
    # only here: a line computer needs none of it
    from inspector.bench.anomaly import bench_anomaly
    from inspector.bench.pipeline import render_frames

    figures = bench_anomaly(
        Bundle.load(bundle), render_frames(frames, line_seed=7), rounds=rounds, threads=threads
    )
    say(f"anomalib's inferencer {figures.peer_ms:7.2f} ms a frame")
    say(f"bare network          {figures.bare_ms:7.2f} ms a frame")
    say(
        f"our check             {figures.check_ms:7.2f} ms a frame, {figures.ratio:.2f} times as "
        f"fast as anomalib's, {figures.check_over_bare:.2f} times as fast as the bare network"
    )
    say(f"two parts in flight   {figures.throughput_ratio:7.2f} times as many frames as anomalib's")
    say(json.dumps({name: round(value, 6) for name, value in asdict(figures).items()}))


@app.command()
def tiling(
    bundle: Annotated[Path, typer.Option("--bundle", help="The detector's bundle")] = TILED_BUNDLE,
    side: Annotated[
        list[int] | None, typer.Option(min=64, help="A picture's side in pixels, more than once")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved rounds")] = 3,
    threads: Annotated[int | None, typer.Option(min=1, help="Of the network; all cores")] = None,
) -> None:
    """What pictures larger than the network's input cost, by their area."""
    # only here: a line computer needs none of it
    from inspector.bench.tiling import SIDES, bench_tiling

    sides = sorted(set(side or SIDES))
    figures = bench_tiling(bundle, sides=sides, rounds=rounds, threads=threads)
    for one in sides:
        calls, total, each = (figures[f"{key}_{one}"] for key in ("calls", "ms", "ms_per_megapixel"))
        say(f"{one:5d} x {one:<5d} {calls:5.0f} tiles  {total:9.1f} ms  {each:8.2f} ms a megapixel")
    say(f"time grows with the area to the power of {figures['time_exponent']:.3f}")
    say(json.dumps({name: round(value, 4) for name, value in figures.items()}))


@app.command()
def dashboard(
    parts: Annotated[int, typer.Option(min=1000, help="Inspections in the database")] = 1_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each page")] = 20,
    folder: Annotated[
        Path | None, typer.Option(help="Keep the database here, and take the one that is here")
    ] = None,
) -> None:
    """Every page of the dashboard over a database of a million inspections."""
    # only here: a line computer needs none of it
    from inspector.bench.dashboard import as_json, bench_dashboard

    figures = bench_dashboard(parts, rounds, folder, lambda text: typer.echo(text, err=True))
    for name, times in figures.items():
        say(
            f"{name:15s} p50 {times.p50_s:6.3f} s  p95 {times.p95_s:6.3f} s  "
            f"(processor, p95: {times.processor_p95_s:6.3f} s)"
        )
    say(as_json(figures))
