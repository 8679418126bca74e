"""The training loop, from top to bottom."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from impasto.errors import ModelError
from impasto.lab.nets.state import load_into
from impasto.lab.training.checkpoints import (
    CHECKPOINT,
    read_checkpoint,
    with_width,
    write_checkpoint,
)
from impasto.lab.training.config import TrainConfig, write_config
from impasto.lab.training.journal import Journal
from impasto.lab.training.networks import BuiltInRow, NetworkRow, find_network
from impasto.lab.training.optimizers import (
    OPTIMIZERS,
    Clock,
    clip_gradients,
    in_bf16,
    learning_rate,
    parameter_groups,
    step_with,
    update_average,
)
from impasto.lab.training.places import CONFIG, anchored
from impasto.lab.training.processes import Processes, join_processes, stop_on_signals
from impasto.lab.training.setup import Setup, open_setup


def train(config: TrainConfig, folder: str | Path) -> Path:
    """Train with ``config`` in ``folder``; resume from its checkpoint if there is one.

    The folder gets ``config.toml``, ``log.csv`` and ``held-out.csv``, ``left-out.csv`` (unusable
    files), ``checkpoint.pt`` (everything to resume) and ``preview-*.png`` on held-out pictures;
    ``export.publish.publish_run`` makes a bundle of it.  Under ``torchrun`` several processes share
    the work (``processes``).

    Args:
        config: all settings that determine the result.
        folder: the run folder.

    Returns:
        The checkpoint.

    Raises:
        ImageError, ModelError, OptionError: before it begins, for faults of the config; ModelError,
            too, where a file cannot be written. Earlier checkpoints stay.
        KeyboardInterrupt: on Ctrl-C, after the step is complete and a checkpoint written.

    Example:
        >>> train(read_config("configs/cin.toml"), "runs/cin")              # doctest: +SKIP
    """
    row = find_network(config.network)
    config, folder = with_width(config), Path(folder)
    with join_processes(config.device) as processes:
        _learn(config, row, folder, processes)
    return folder / CHECKPOINT


def _learn(
    config: TrainConfig, row: NetworkRow | BuiltInRow, folder: Path, processes: Processes
) -> None:
    """Run the remaining steps."""
    device = processes.device
    torch.manual_seed(config.seed)
    checkpoint = folder / CHECKPOINT
    setup = open_setup(config, row, device, begun=checkpoint.exists())
    if processes.first:
        _tell_first(config, setup, device)
    objective, learned, before = setup.objective, setup.learned, setup.before
    batches = setup.batches(config, device, rank=processes.rank, count=processes.count)
    shown = processes.first and config.preview_every and objective.paints
    preview = setup.preview() if shown else None

    average = AveragedModel(learned).eval()
    parameters = setup.moving
    groups = parameter_groups(config, learned, parameters)
    optimizer = OPTIMIZERS[config.optimizer.name](groups, config.optimizer.learning_rate)
    step, clock = 0, Clock(config)
    if checkpoint.exists():
        saved = read_checkpoint(checkpoint)
        if "optimizer" not in saved:
            raise ModelError(
                f"{checkpoint} contains only weights, so the run cannot resume; give another "
                "run folder and start = this checkpoint"
            )
        load_into(learned, saved["network"], checkpoint, "the network")
        load_into(average, saved["average"], checkpoint, "the network")
        _load_optimizer(optimizer, saved["optimizer"], config, checkpoint)
        batches.restore(saved["lessons"])
        if saved.get("objective"):
            objective.restore(saved["objective"])
        step, clock = saved["step"], Clock(config, saved.get("seconds", 0.0))
        before = saved["stages"][:-1]
        del saved

    def save() -> None:
        if processes.first:
            write_checkpoint(
                checkpoint,
                {
                    "network": learned.state_dict(),
                    "average": average.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "lessons": batches.state(step),
                    "step": step,
                    "seconds": clock.seconds,
                    "stages": [*before, _stage(config, step, objective.aim)],
                    "objective": objective.state(),
                    "names": list(setup.names),
                },
            )

    def list_left_out(journal: Journal, bar: Any) -> None:
        for file, reason in journal.leave_out(setup.left_out):
            bar.write(f"skipped {file}: {reason}", file=sys.stderr)

    saved_at, saved_step = time.monotonic(), step
    stopping, elapsed = False, clock.elapsed
    try:
        if processes.first:
            folder.mkdir(parents=True, exist_ok=True)
            write_config(anchored(config, Path.cwd()), folder / CONFIG)
        journal = Journal(folder, config, processes, step)
        bar = _bar(config, step, processes)
        with bar, stop_on_signals(patient=processes.count > 1) as stop:
            list_left_out(journal, bar)
            begun = step
            bar.set_postfix_str("the first step")  # slower than later ones
            while step < config.iterations and elapsed < 1 and not stopping:
                rate = learning_rate(config, step, elapsed)
                for group in optimizer.param_groups:
                    group["lr"] = rate * group.get("share", 1.0)
                optimizer.zero_grad(set_to_none=True)
                values: dict[str, torch.Tensor] = {}
                parts, judge = batches.at(step), objective.at(step)
                for batch in parts:
                    loss, terms = judge(learned, batch)
                    (loss / len(parts)).backward()
                    for name, value in {"loss": loss, **terms}.items():
                        values[name] = values.get(name, 0.0) + value.detach() / len(parts)
                # All processes must agree on when to stop and on the time, so both travel with
                # the gradients. (A single process need not wait for its device for this.)
                shared = torch.tensor(
                    [float(stop.asked), clock.elapsed], device=processes.reduce_device
                )
                processes.average([*_gradients(parameters), shared])
                stopping, elapsed = bool(shared[0]), float(shared[1])
                setup.settle()
                values["gradient"] = clip_gradients(parameters, config.optimizer.clip)
                step_with(optimizer, setup.apart)
                update_average(average, learned, config.optimizer.ema)
                step += 1
                bar.update(config.batch)
                if step == begun + 1:
                    bar.set_postfix_str("")  # and refresh the rate at once
                journal.add(step, values, rate)
                if step % config.log_every == 0:
                    bar.set_postfix_str(
                        f"step {step}/{config.iterations}, loss {values['loss']:.4g}",
                        refresh=False,
                    )
                    list_left_out(journal, bar)
                over = step == config.iterations or elapsed >= 1
                if preview and (step % config.preview_every == 0 or over):
                    journal.held_out(step, *preview.draw(objective, average.module))
                if time.monotonic() - saved_at > config.checkpoint_seconds:
                    save()
                    saved_at, saved_step = time.monotonic(), step
            if step > saved_step or not checkpoint.exists():
                save()
        journal.close()
    except OSError as error:
        kept = f"the checkpoint of step {saved_step} is unchanged"
        if not saved_step:
            kept = "there was no checkpoint yet"
        raise ModelError(
            f"{folder}: step {step} cannot be written ({error.strerror or error}); {kept}; free "
            "disk space, then run the same command again to resume"
        ) from error
    if step < config.iterations and elapsed < 1:
        raise KeyboardInterrupt(f"stopped at step {step}; run the same command again to resume")


def _gradients(parameters: list[torch.nn.Parameter]) -> list[torch.Tensor]:
    """Return all gradients; zeros for parameters that the loss did not reach."""
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def _load_optimizer(
    optimizer: torch.optim.Optimizer, saved: dict[str, Any], config: TrainConfig, path: Path
) -> None:
    # Loading would replace the settings as well; they identify the owner of the state.
    groups = optimizer.param_groups
    if [set(group) for group in saved["param_groups"]] != [set(group) for group in groups]:
        raise ModelError(
            f"{path} was not written by optimizer {config.optimizer.name!r} with this "
            "style_rate; use the settings it was written with, or give another run folder (start "
            "= this checkpoint keeps the weights)"
        )
    shares = [group.get("share") for group in groups]
    optimizer.load_state_dict(saved)
    for group, share in zip(optimizer.param_groups, shares, strict=True):
        if share is not None:
            group["share"] = share


def _tell_first(config: TrainConfig, setup: Setup, device: torch.device) -> None:
    """Print the training data and the precision before the first step ends."""
    counts = " and ".join(str(len(loaded)) for loaded in setup.loaded)
    precision = "bf16" if in_bf16(config, device) else "fp32"
    tqdm.write(
        f"{config.iterations} steps of {config.batch} on {counts} pictures, in {precision} on "
        f"{device.type}",
        file=sys.stderr,
    )


def _bar(config: TrainConfig, step: int, processes: Processes) -> Any:
    """Return a progress bar in pictures: pictures per second and the time left."""
    return tqdm(
        total=config.iterations * config.batch,
        initial=step * config.batch,
        unit=" images",
        smoothing=0.05,
        mininterval=0.5 if sys.stderr.isatty() else 30.0,  # one line each in a file
        disable=not processes.first,
        dynamic_ncols=True,
    )


def _stage(config: TrainConfig, step: int, aim: str) -> dict[str, Any]:
    """Return facts about one stage of training, for the card of the model."""
    return {
        "iterations": step,
        "batch": config.batch,
        "crop": config.data.crop,
        "aim": aim,
        "seed": config.seed,  # ``recipes/mix.py`` distinguishes runs by it
    }
