"""PyMC's own sampler, and BlackJAX's."""

import time
from typing import Any

import numpy as np
import pymc as pm

import pymc_symplectic as ps
from benchmarks.samplers.problem import Problem, Run, Sample

__all__ = ["prepare_blackjax", "prepare_pymc"]


def prepare_pymc(problem: Problem) -> Sample:
    """PyMC's own No-U-Turn sampler; it compiles when it runs."""

    def sample(draws: int, tune: int, chains: int, seed: int) -> Run:
        free = [rv.name for rv in problem.model.free_RVs]
        starts = [
            {name: value for name, value in problem.point(start).items() if name in free}
            for start in problem.starts(chains, seed)
        ]
        seconds, last = np.zeros(2), 0.0

        def tick(trace: Any, draw: Any) -> None:
            nonlocal last
            now = time.process_time()
            if draw.draw_idx > 0:  # what comes before a chain's first draw is not its work, or not for the most part
                seconds[0 if draw.tuning else 1] += now - last
            last = now

        began = time.process_time()
        idata = pm.sample(
            draws=draws, tune=tune, chains=chains, cores=1, random_seed=seed, model=problem.model, initvals=starts,
            init="adapt_diag", nuts_sampler="pymc", callback=tick, discard_tuned_samples=False, progressbar=False,
            compute_convergence_checks=False,
        )  # fmt: skip
        whole = time.process_time() - began
        counts = ps.gradients(idata)
        return Run(
            {name: idata["posterior"][name].values for name in problem.names},
            idata["sample_stats"]["diverging"].values,
            (int(counts.warmup), int(counts.sampling)),
            (float(seconds[0]), float(seconds[1])),
            idata["sample_stats"]["step_size_bar"].values[:, -1],
            float(whole - seconds.sum()),
        )

    return sample


def prepare_blackjax(problem: Problem) -> Sample:
    """BlackJAX's No-U-Turn sampler with window adaptation."""
    try:
        import blackjax
        import jax
        import jax.numpy as jnp
        from pymc.sampling.jax import get_jaxified_graph
    except ImportError as error:
        raise RuntimeError(f"BlackJAX or JAX is not installed: {error}") from error

    values = problem.target.vars
    graph = get_jaxified_graph(inputs=values, outputs=[problem.model.logp()])
    shapes = [value.shape for value in problem.target.to_point(np.zeros(problem.target.dim)).values()]
    cuts = np.cumsum([int(np.prod(shape, dtype=int)) for shape in shapes])[:-1]
    compiled: dict[tuple[int, int], tuple[Any, Any, float]] = {}

    def logp(position: Any) -> Any:
        parts = jnp.split(position, cuts)
        return graph(*[part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)])[0]

    def compile_for(draws: int, tune: int, *args: Any) -> tuple[Any, Any, float]:
        began = time.process_time()

        def warm_up(key: Any, position: Any) -> Any:
            adaptation = blackjax.window_adaptation(
                blackjax.nuts, logp, adaptation_info_fn=lambda state, info, _: info.num_integration_steps
            )
            (state, parameters), steps = adaptation.run(key, position, num_steps=tune)
            return state, parameters["step_size"], parameters["inverse_mass_matrix"], steps.sum()

        def draw(key: Any, state: Any, step_size: Any, inverse_mass_matrix: Any) -> Any:
            step = blackjax.nuts(logp, step_size=step_size, inverse_mass_matrix=inverse_mass_matrix).step

            def one(state: Any, key: Any) -> Any:
                state, info = step(key, state)
                return state, (state.position, info.is_divergent, info.num_integration_steps)

            return jax.lax.scan(one, state, jax.random.split(key, draws))[1]

        first = jax.jit(warm_up).lower(*args).compile()
        shapes = jax.eval_shape(warm_up, *args)
        second = jax.jit(draw).lower(args[0], *shapes[:3]).compile()
        return first, second, time.process_time() - began

    def sample(draws: int, tune: int, chains: int, seed: int) -> Run:
        starts = jnp.asarray(problem.starts(chains, seed))
        keys = jax.random.split(jax.random.key(seed), (chains, 2))
        if (draws, tune) not in compiled:
            compiled[draws, tune] = compile_for(draws, tune, keys[0, 0], starts[0])
        first, second, compile_seconds = compiled[draws, tune]
        clock, counts, results, step_sizes = np.zeros(2), np.zeros(2), [], []
        for key, start in zip(keys, starts, strict=True):
            began = time.process_time()
            *learned, steps = jax.block_until_ready(first(key[0], start))
            middle = time.process_time()
            results.append(jax.block_until_ready(second(key[1], *learned)))
            clock += middle - began, time.process_time() - middle
            counts += 1 + int(steps), int(results[-1][2].sum())
            step_sizes.append(float(learned[1]))
        positions, diverging, _ = (
            np.stack([np.asarray(part) for part in parts]) for parts in zip(*results, strict=True)
        )
        return Run(
            problem.constrain(positions),
            diverging,
            (int(counts[0]), int(counts[1])),
            (float(clock[0]), float(clock[1])),
            np.array(step_sizes),
            compile_seconds,
        )

    return sample
