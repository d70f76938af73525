"""What other servers issued counts here as well: once a second or so, beside the path of the requests."""

from linecert_service.domain.issued_counts import IssuedCounter
from linecert_service.issuance.pipeline import Pipeline
from linecert_service.policy.limits import Limits


async def charge_others(counter: IssuedCounter, pipeline: Pipeline, limits: Limits) -> None:
    """Read on in the log, and charge what stands there and is not this server's.

    Raises:
        StoreUnavailable: the store does not answer; the next time counts it.
    """
    read = await counter.after(limits.read_to)
    # This server's rows among those may be on disk and not answered yet: nobody else could say whose they are.
    await pipeline.recorded()
    limits.charge(read)
