# SPDX-License-Identifier: MIT
"""What Hypothesis asks for when it is imported (entry point ``hypothesis``): strategies for ``st.from_type``."""


def setup() -> None:
    """Register strategies for the types that a test draws."""
    from hypothesis import strategies as st

    from vring.pool_model import Geometry, Request
    from vring.testing.protocol import RingSetup

    def setups(_: object) -> st.SearchStrategy[RingSetup]:
        from vring.testing import strategies

        return strategies.ring_setups() | strategies.packed_setups()

    def geometries(_: object) -> st.SearchStrategy[Geometry]:
        from vring.testing import strategies

        return strategies.geometries()

    def requests(_: object) -> st.SearchStrategy[Request]:
        from vring.testing import strategies

        return strategies.geometries().flatmap(strategies.requests)

    st.register_type_strategy(RingSetup, setups)
    st.register_type_strategy(Geometry, geometries)
    st.register_type_strategy(Request, requests)
