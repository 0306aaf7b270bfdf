"""A class on one server: what every learner's server is told and how much it may take.

For The Littlest JupyterHub, copy it to /opt/tljh/config/jupyterhub_config.d/; any other JupyterHub
loads it from its own configuration with ``load_subconfig``. docs/class_server.md says how to fill
the shared folder, and where the numbers come from.
"""

c = get_config()  # noqa: F821 - JupyterHub defines it

SHARED = "/srv/ftlearn/cache"
CORES = 2

c.Spawner.default_url = "/lab"
# One lesson at a time: the largest takes 1.6 GB, the server beside it 0.2 GB.
c.Spawner.mem_limit = "2.5G"
c.Spawner.cpu_limit = CORES
c.Spawner.environment = {
    "FTLEARN_SHARED_CACHE": SHARED,
    "HF_HUB_OFFLINE": "1",
    # torch would count the cores of the whole server.
    "OMP_NUM_THREADS": str(CORES),
    "TOKENIZERS_PARALLELISM": "false",
}
c.Spawner.args = [
    # A kernel keeps the memory of its lesson until it ends: 30 minutes after its last cell.
    "--MappingKernelManager.cull_idle_timeout=1800",
    "--MappingKernelManager.cull_interval=60",
    "--MappingKernelManager.cull_connected=True",
]
