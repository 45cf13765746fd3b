"""Photos like a photo, as one self-contained page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from photograft.reporting.html import Pictures, render_template
from photograft.reporting.search_texts import search_texts_in
from photograft.reporting.texts import Texts

_PICTURE_BYTES = 12_000_000


@dataclass(frozen=True)
class SearchPictures:
    """JPEG files of a photo that was asked about, and of its matches in their order; empty where there is none."""

    photo: bytes = b""
    matches: tuple[bytes, ...] = ()


def render_answers(document: Mapping[str, Any], pictures: Sequence[SearchPictures], *, language: str = "en") -> str:
    """The page of what `photograft search query --json` prints, with the pictures of each photo."""
    texts, room = search_texts_in(language), Pictures(_PICTURE_BYTES)
    photos = [_card(photo, own, room, texts) for photo, own in zip(document["photos"], pictures, strict=True)]
    same = document["same_class"]
    copies = document["near_duplicates"]
    return render_template(
        "search.html.j2",
        texts=texts,
        index=document["index"].rstrip("/").rpartition("/")[2],
        title=texts.say("search.title.copies" if copies else "search.title", n=len(photos)),
        lead=_lead(document, texts),
        photos=photos,
        nothing=texts.say("search.none.copies" if copies else "search.none"),
        explained=_explained(document["model"], same, texts, copies=copies),
    )


def _lead(document: Mapping[str, Any], texts: Texts) -> str:
    said = [texts.say("search.lead", n=document["n"])]
    said += [texts.say(f"search.lead.{key}", **{key: document[key]}) for key in ("label", "folder") if document[key]]
    return " ".join(said)


def _card(photo: Mapping[str, Any], own: SearchPictures, room: Pictures, texts: Texts) -> dict[str, Any]:
    if photo["status"] == "rejected":
        return {"path": photo["path"], "rejected": texts.say("search.rejected", reason=photo["reason"])}
    matches = [
        {
            **match,
            "picture": room.address(jpeg),
            "kind_text": texts.name("kind", match["kind"]) if match["kind"] else "",
            "same_text": "" if match["same"] is None else texts.say("search.same", share=_share(match["same"], texts)),
            "similarity_text": texts.say("search.similarity", value=f"{match['similarity']:.2f}"),
            "others_text": texts.say("search.others", n=len(match["others"])) if match["others"] else "",
            "others_title": "\n".join(match["others"]),
        }
        for match, jpeg in zip(photo["matches"], own.matches, strict=True)
    ]
    return {"path": photo["path"], "rejected": "", "picture": room.address(own.photo), "matches": matches}


def _share(chance: float, texts: Texts) -> str:
    return texts.percent(chance, 0)


def _explained(model: str, same: Mapping[str, Any] | None, texts: Texts, *, copies: bool) -> list[str]:
    said = [texts.say("search.read.similarity", model=model)]
    if same is None:
        said.append(texts.say("search.read.none"))
    else:
        prior = texts.percent(same["prior"], 0)
        values = {"n": same["n_queries"], "classes": same["n_classes"], "prior": prior}
        said += [
            texts.say("search.read.same", **values),
            texts.say("search.read.quality", share=texts.percent(same["precision_at_1"])),
        ]
    return [*said, *([texts.say("search.read.copies")] if copies else [])]
