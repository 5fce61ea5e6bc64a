"""What every service may import; it imports none of them."""

import warnings

# svcs imports Starlette's test client, which asks for another HTTP library; nothing here uses that client.
warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient`")
