"""What people and the studio do with endpoints and deployments; every way in ends here."""

from endpoints.services.deployments import (
    create_deployment,
    delete_deployment,
    retry_deployment,
    roll_back_deployment,
    roll_out_deployment,
    scale_deployment,
    set_retries,
    update_deployment,
)
from endpoints.services.endpoints import (
    create_endpoint,
    delete_endpoint,
    edit_endpoint,
    refuse_taken,
    regenerate_key,
    reveal_keys,
    set_traffic,
    update_endpoint,
)

__all__ = [
    "create_deployment",
    "create_endpoint",
    "delete_deployment",
    "delete_endpoint",
    "edit_endpoint",
    "refuse_taken",
    "regenerate_key",
    "retry_deployment",
    "reveal_keys",
    "roll_back_deployment",
    "roll_out_deployment",
    "scale_deployment",
    "set_retries",
    "set_traffic",
    "update_deployment",
    "update_endpoint",
]
