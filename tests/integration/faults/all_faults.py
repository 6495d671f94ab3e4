"""Every fault, in the order in which they happen."""

from faults.caller_faults import CALLER_FAULTS
from faults.release_faults import RELEASE_FAULTS, SCROLL
from faults.store_faults import STORE_FAULTS

ALL = (*RELEASE_FAULTS, *STORE_FAULTS, *CALLER_FAULTS, SCROLL)
