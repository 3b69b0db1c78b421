"""BlackJAX's No-U-Turn sampler with each of its adaptations, and NumPyro's: those that are written in JAX.

A model that PyTensor can say in JAX is; of a Stan program, JAX calls back.  Neither has a default for how many draws
warm-up takes: it is 1000, as in Stan and PyMC.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.samplers.problem import Problem, Run, Sample

__all__ = ["ADAPTATIONS", "prepare_blackjax", "prepare_numpyro"]

TUNE = 1000
BUDGET = 31
"""Gradients to a draw of warm-up that ``metric="auto"``, which asks for a limit, is told to reckon with."""
ADAPTATIONS = ("window", "low_rank", "auto")
"""BlackJAX's: `window_adaptation`, `window_adaptation_low_rank`, and `staged_adaptation` with ``metric="auto"``."""


def log_density(problem: Problem) -> Callable[[Any], Any]:
    """The log-density of a problem as a function of a JAX vector, that JAX can differentiate."""
    import jax
    import jax.numpy as jnp

    if problem.program is not None:
        jax.config.update("jax_enable_x64", True)
        return _called_back(problem.target, problem.target.dim)
    from pymc.sampling.jax import get_jaxified_graph

    graph = get_jaxified_graph(inputs=problem.target.vars, outputs=[problem.model.logp()])
    shapes = [value.shape for value in problem.target.to_point(np.zeros(problem.target.dim)).values()]
    cuts = np.cumsum([int(np.prod(shape, dtype=int)) for shape in shapes])[:-1]

    def logp(position: Any) -> Any:
        parts = jnp.split(position, cuts)
        return graph(*[part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)])[0]

    return logp


def _called_back(target: Callable[[np.ndarray], tuple[float, np.ndarray]], dim: int) -> Callable[[Any], Any]:
    import jax
    import jax.numpy as jnp

    shapes = jax.ShapeDtypeStruct((), jnp.float64), jax.ShapeDtypeStruct((dim,), jnp.float64)

    def call(position: Any) -> tuple[np.ndarray, np.ndarray]:
        value, gradient = target(np.array(position, dtype=float))
        return np.asarray(value, dtype=float), np.asarray(gradient, dtype=float)

    def both(position: Any) -> Any:
        return jax.pure_callback(call, shapes, position, vmap_method="sequential")

    logp = jax.custom_vjp(lambda position: both(position)[0])
    logp.defvjp(both, lambda gradient, cotangent: (cotangent * gradient,))
    return logp


def prepare_blackjax(problem: Problem, adaptation: str) -> Sample:
    """BlackJAX's No-U-Turn sampler with one of `ADAPTATIONS`, at its defaults.

    What it compiles is counted in with the time of warm-up, but for ``"window"``.
    """
    try:
        import blackjax
        import jax
        import jax.numpy as jnp
    except ImportError as error:
        raise RuntimeError(f"BlackJAX or JAX is not installed: {error}") from error

    logp = log_density(problem)
    compiled: dict[tuple[int, int], tuple[Any, Any, float]] = {}

    def steps_of(state: Any, info: Any, _: Any) -> Any:
        return info.num_integration_steps

    def adapt(key: Any, position: Any, tune: int) -> tuple[Any, Any]:
        if adaptation == "low_rank":  # which reads more than steps of what it has recorded itself
            warmup = blackjax.window_adaptation_low_rank(blackjax.nuts, logp)
            results, recorded = warmup.run(key, position, num_steps=tune)
            return results, recorded.info.num_integration_steps
        if adaptation == "auto":
            warmup = blackjax.staged_adaptation(
                blackjax.nuts, logp, "auto", max_grad_budget=BUDGET * tune, adaptation_info_fn=steps_of
            )
        else:
            warmup = blackjax.window_adaptation(blackjax.nuts, logp, adaptation_info_fn=steps_of)
        return warmup.run(key, position, num_steps=tune)

    def compile_for(draws: int, tune: int, *args: Any) -> tuple[Any, Any, float]:
        began = time.process_time()

        def warm_up(key: Any, position: Any) -> Any:
            (state, parameters), steps = adapt(key, position, tune)
            return state, parameters["step_size"], parameters["inverse_mass_matrix"], steps.sum()

        def draw(key: Any, state: Any, step_size: Any, inverse_mass_matrix: Any) -> Any:
            step = blackjax.nuts(logp, step_size=step_size, inverse_mass_matrix=inverse_mass_matrix).step

            def one(state: Any, key: Any) -> Any:
                state, info = step(key, state)
                return state, (state.position, info.is_divergent, info.num_integration_steps)

            return jax.lax.scan(one, state, jax.random.split(key, draws))[1]

        if adaptation != "window":  # the others are not to be traced as a whole
            return warm_up, jax.jit(draw), 0.0
        first = jax.jit(warm_up).lower(*args).compile()
        shapes = jax.eval_shape(warm_up, *args)
        second = jax.jit(draw).lower(args[0], *shapes[:3]).compile()
        return first, second, time.process_time() - began

    def sample(draws: int, tune: int | None, chains: int, seed: int) -> Run:
        tune = TUNE if tune is None else tune
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


def prepare_numpyro(problem: Problem) -> Sample:
    """NumPyro's No-U-Turn sampler at its defaults; what it compiles is counted in with the time of its first chain."""
    try:
        import jax
        import jax.numpy as jnp
        from numpyro.infer import MCMC, NUTS
    except ImportError as error:
        raise RuntimeError(f"NumPyro or JAX is not installed: {error}") from error

    logp = log_density(problem)
    fields = ("num_steps", "diverging", "adapt_state.step_size")

    def sample(draws: int, tune: int | None, chains: int, seed: int) -> Run:
        sampler = MCMC(
            NUTS(potential_fn=lambda position: -logp(position)), num_warmup=TUNE if tune is None else tune,
            num_samples=draws, progress_bar=False,
        )  # fmt: skip
        keys = jax.random.split(jax.random.PRNGKey(seed), chains)
        clock, counts = np.zeros(2), np.zeros(2, int)
        positions, diverging, step_sizes = [], [], []
        for key, start in zip(keys, problem.starts(chains, seed), strict=True):
            began = time.process_time()
            sampler.post_warmup_state = None
            sampler.warmup(key, init_params=jnp.asarray(start), extra_fields=fields, collect_warmup=True)
            counts[0] += int(sampler.get_extra_fields()["num_steps"].sum())
            middle = time.process_time()
            sampler.run(key, extra_fields=fields)
            positions.append(np.asarray(sampler.get_samples()))
            found = {name: np.asarray(values) for name, values in sampler.get_extra_fields().items()}
            clock += middle - began, time.process_time() - middle
            counts[1] += int(found["num_steps"].sum())
            diverging.append(found["diverging"])
            step_sizes.append(float(found["adapt_state.step_size"][-1]))
        return Run(
            problem.constrain(np.stack(positions)),
            np.stack(diverging),
            (int(counts[0]), int(counts[1])),
            (float(clock[0]), float(clock[1])),
            np.array(step_sizes),
            0.0,
        )

    return sample
