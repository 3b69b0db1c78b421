"""
Chains on a Dask cluster
========================

An executor takes chains as tasks, wherever its workers are.  Here the cluster is two processes of this machine,
one of which is killed.
"""

import logging
import os
import signal
import tempfile
import threading
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pymc as pm
import xarray as xr
from distributed import Client, SubprocessCluster

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

options = {"draws": 10_000, "tune": 1000, "chains": 2, "random_seed": 1, "progressbar": False, "quiet": True}

# %%
# A cluster
# ---------
# Two workers of one thread each.  `Client` takes the address of any other cluster as well.  What follows would be the
# same there, with a store in a folder that all workers see.

cluster = SubprocessCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=logging.ERROR)
client = Client(cluster)
client.wait_for_workers(2)
workers = client.run(os.getpid)

# %%
# A worker is lost
# ----------------
# A thread looks into the store, where draws that are not made yet have a step size of 0.  Once there are some, one of
# the two workers is killed.

folder = tempfile.TemporaryDirectory()
store = Path(folder.name) / "run.zarr"
finished = threading.Event()
times, counts, killed = [], [], []


def look_in():
    while not finished.wait(0.1):
        try:
            with xr.open_dataset(store, group="sample_stats", engine="zarr", chunks=None, consolidated=False) as stats:
                counts.append((stats["step_size"] > 0).sum("draw").values)
        except (FileNotFoundError, KeyError):  # no store yet, or half of one
            continue
        times.append(time.monotonic())
        if not killed and counts[-1].any():
            killed.append(times[-1])
            os.kill(min(workers.values()), signal.SIGKILL)


watcher = threading.Thread(target=look_in)
watcher.start()
with model:
    idata = ps.sample(executor=client.get_executor(), store=store, **options)
finished.set()
watcher.join()

client.close()
cluster.close()

# %%
# What became of it
# -----------------
# Dask gave the lost chain to the worker that was left, and it went on from what was stored.

seconds, counts = np.array(times) - killed[0], np.array(counts)

fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
for chain, color in enumerate(("#0072B2", "#E69F00")):
    ax.plot(seconds, counts[:, chain], drawstyle="steps-post", lw=2, color=color, label=f"chain {chain}")
ax.axvline(0, color="0.5", ls=":")
ax.text(0, 0.97, " a worker is killed", color="0.3", ha="left", va="top", transform=ax.get_xaxis_transform())
ax.set(xlabel="seconds", ylabel="draws in the store", ylim=(0, 1.15 * options["draws"]))
ax.set_xlim(seconds[counts.any(axis=1)][0] - 1, seconds[-1])
ax.legend(frameon=False, loc="lower right")
plt.show()

# %%
# The draws are those of threads, to the last bit.

with model:
    threads = ps.sample(**options)

print("equal to the last bit:", np.array_equal(idata["posterior"]["z"], threads["posterior"]["z"]))
folder.cleanup()
