"""The version of the contract, and what a payload of another one raises."""

CONTRACT_VERSION = 1


class ContractError(ValueError):
    """A payload that this version of the contract cannot have written."""


class ContractVersionError(ContractError):
    """A release written by another version of the contract."""
