from collections.abc import Set as AbstractSet

class Encoding:
    def encode(
        self,
        text: str,
        allowed_special: AbstractSet[str] = ...,
        disallowed_special: AbstractSet[str] | str = ...,
    ) -> list[int]: ...

def get_encoding(name: str) -> Encoding: ...
