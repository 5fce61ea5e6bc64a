"""Whether the ports that we want are free, said before anything is started."""

from collections.abc import Mapping

from shared.embedded import is_free

from deploy.services import CADDY


def first_busy(wanted: Mapping[str, int], *, bind: str = "127.0.0.1") -> str | None:
    """A sentence about the first port we cannot have: the edge's is CRM_PORT, all others count from CRM_PORT_BASE."""
    for process, port in wanted.items():
        host, setting, other = (
            (bind, "CRM_PORT", port + 1) if process == CADDY else ("127.0.0.1", "CRM_PORT_BASE", 28100)
        )
        try:
            if is_free(port, host):
                continue
        except OSError as error:
            return (
                f"{process} cannot listen on {host}, port {port}: {error.strerror}."
                f" CRM_BIND must be an address of this machine, and {setting} a port that you may open."
            )
        return (
            f"Port {port}, which {process} needs, is in use by another program. Stop that program,"
            f" or choose another port: {setting}={other} make up"
        )
    return None
