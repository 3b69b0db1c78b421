"""
A run on disk
=============

With ``store=``, draws go to a directory as they come.  There another program can look at them, and a run that was
interrupted goes on from there, to the same numbers.
"""

import _thread
import tempfile
import threading
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pymc as pm
import xarray as xr

import pymc_symplectic as ps

# %%
# A model
# -------
# A hierarchy of thirty groups (simulated), in the form without a centre.

rng = np.random.default_rng(1)
group = np.repeat(np.arange(30), 200)
y = rng.normal(0.5 + 0.4 * rng.normal(size=30)[group], 1.0)

with pm.Model() as model:
    mu = pm.Normal("mu")
    tau = pm.HalfNormal("tau")
    z = pm.Normal("z", shape=30)
    sigma = pm.HalfNormal("sigma")
    pm.Normal("y", mu + tau * z[group], sigma, observed=y)

options = {"draws": 8000, "tune": 500, "chains": 2, "random_seed": 1, "progressbar": False, "quiet": True}
folder = tempfile.TemporaryDirectory()
store = Path(folder.name) / "run.zarr"

# %%
# A run that is interrupted
# -------------------------
# A thread plays the user.  It looks into the store four times a second, as another program could, and once there are
# some hundred draws it does what Ctrl-C does.

finished = threading.Event()


def look_in():
    while not finished.wait(0.25):
        try:
            so_far = ps.open_run(store)
        except (FileNotFoundError, ps.StoreError):  # no store yet, or no draws in it
            continue
        print(f"{so_far['posterior'].sizes['draw']} draws of each chain")
        if so_far["posterior"].sizes["draw"] > 500:
            _thread.interrupt_main()
            return


watcher = threading.Thread(target=look_in)
watcher.start()
with model, warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", UserWarning)
    part = ps.sample(store=store, **options)
finished.set()
watcher.join()

for warning in caught:
    print(warning.message)

# %%
# What has been drawn is returned, and it is in the store:

for path in sorted(store.rglob("*")):
    if path.parent in (store, store / ".run", store / "posterior"):
        print(path.relative_to(store).as_posix())

# %%
# Groups and variables are zarr, which xarray opens, and ``.run`` is what the run goes on from.
#
# The same call goes on
# ---------------------
# It may come from another process, or another machine.  A call that differs in the model, the data or an option is
# refused, and the message says in what.

with model:
    resumed = ps.sample(store=store, **options)
    try:
        ps.sample(store=store, **options, target_accept=0.95)
    except ps.StoreError as error:
        print(str(error).removeprefix(f"store: {store} "))

# %%
# The draws are those of a run without a break, to the last bit.

with model:
    unbroken = ps.sample(**options)

same = all(np.array_equal(resumed["posterior"][name], unbroken["posterior"][name]) for name in ("mu", "tau", "z"))
print("equal to the last bit:", same)

# %%
# More draws
# ----------
# A finished run goes on when more are asked for.  Here the mean of τ so far, with the breaks: what the interrupted run
# had, what the second call added, and what the third does.

with model:
    longer = ps.sample(store=store, **options | {"draws": 10_000})

breaks = [part["posterior"].sizes["draw"], resumed["posterior"].sizes["draw"]]
tau = longer["posterior"]["tau"].values
number = np.arange(1, tau.shape[1] + 1)

fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
for chain, color in enumerate(("#0072B2", "#E69F00")):
    ax.plot(number, np.cumsum(tau[chain]) / number, color=color, label=f"chain {chain}")
for place, label, side in zip(breaks, ("interrupted", "extended"), ("right", "left"), strict=True):
    ax.axvline(place, color="0.5", ls=":")
    ax.text(place, 0.99, f" {label} ", color="0.3", va="top", ha=side, transform=ax.get_xaxis_transform())
spread = 4 * tau.std() / np.sqrt(number[-1])
ax.set(xlabel="draws", ylabel="mean of τ so far", xlim=(0, number[-1]))
ax.set_ylim(tau.mean() - 3 * spread, tau.mean() + 3 * spread)
ax.legend(frameon=False, loc="lower right")
plt.show()

# %%
# Whatever reads zarr reads the store, without this package or the model.

with xr.open_datatree(store, engine="zarr") as tree:
    print(dict(tree["posterior"]["tau"].sizes))

folder.cleanup()
