"""A PostgreSQL with the settings of production (deploy/postgresql/nokchart.conf), on the embedded binaries."""

import shlex
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from store.cluster import Cluster

SETTINGS = Path(__file__).parent.parent / "deploy" / "postgresql" / "nokchart.conf"


@contextmanager
def configured_server(folder: Path, settings: Path = SETTINGS) -> Iterator[str]:
    """The address of its database `postgres`, for as long as the block runs; the data are in `folder / "data"`.

    The file is read whole. Only shared_preload_libraries is overridden, because the embedded binaries have no
    TimescaleDB, and where it listens: on a socket in `folder` and a free port of loopback.
    """
    cluster = Cluster(folder.absolute(), durable=True)
    cluster.prepare()
    cluster.require_data()
    sockets = cluster.make_socket_folder()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = {
        "config_file": str(settings.absolute()),
        "shared_preload_libraries": "",
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": str(sockets),
    }
    arguments = shlex.join(part for name, value in options.items() for part in ("-c", f"{name}={value}"))
    if not cluster.pg_ctl("start", "-l", cluster.new_log(), "-o", arguments, seconds=60):
        raise cluster.failed("did not start with the settings of production")
    try:
        yield f"postgresql://postgres@/postgres?host={quote(str(sockets), safe='')}&port={port}"
    finally:
        cluster.pg_ctl("stop", "-m", "fast", seconds=60)
