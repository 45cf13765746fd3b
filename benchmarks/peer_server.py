"""The peer of `serving.py`: FastAPI and torch as a tutorial writes them, around the same weights as a bundle's.

    python benchmarks/peer_server.py RUN_OR_BUNDLE --port 8123 --endpoint thread

`--endpoint thread` has the endpoint as `def`, which runs in a pool of threads; `loop` has it as `async def`, which runs
in the loop of the server. Both are found in tutorials; `serving.py` measures both and compares with the faster one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import uvicorn
from fastapi import FastAPI, UploadFile
from PIL import Image, ImageOps
from torchvision import transforms

from photograft.models.backbone import load_embedder
from photograft.models.bundle import Bundle, read_bundle
from photograft.models.catalogue import find_backbone


class Network(torch.nn.Module):
    """The bundle's backbone and head in torch: uint8 (N, 3, px, px) to probabilities (N, K)."""

    def __init__(self, bundle: Bundle) -> None:
        super().__init__()
        (row,), (head,), (target,) = bundle.info.networks, bundle.info.heads, bundle.info.targets
        if row.cut != "head":
            raise SystemExit("The peer takes a bundle at graft point head: its weights are those of the packages.")
        backbone = find_backbone(row.source["name"])
        embedding = "last" if bundle.heads[head.id].weight_DM.shape[0] == row.outputs.get("last") else "multi"
        self.embedder = load_embedder(backbone, embedding=embedding, px=bundle.contract.px)
        self.register_buffer("weight", torch.from_numpy(bundle.heads[head.id].weight_DM))
        self.register_buffer("bias", torch.from_numpy(bundle.heads[head.id].bias_M))
        self.temperature = target.temperature
        self.flip = bundle.info.views_of(row.id).flip

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Probabilities, the mean of the logits of a photo and its mirror image where the bundle takes both."""
        views = torch.cat([pixels, pixels.flip(3)]) if self.flip else pixels
        embedding = self.embedder(views.permute(0, 2, 3, 1))[0]
        logits = (embedding @ self.weight + self.bias).view(-1, len(pixels), len(self.bias)).mean(0)
        return (logits / self.temperature).softmax(1)


def make_app(bundle: Bundle, endpoint: str) -> FastAPI:
    """The application: one photo per request, in a multipart field `file`."""
    network = Network(bundle).eval()
    px = bundle.contract.px
    resize = transforms.Compose(
        [transforms.Resize((px, px), transforms.InterpolationMode.BICUBIC), transforms.PILToTensor()]
    )
    app = FastAPI()

    def answer(file: UploadFile) -> dict[str, object]:
        image = ImageOps.exif_transpose(Image.open(file.file)).convert("RGB")
        with torch.inference_mode():
            probabilities = network(resize(image).unsqueeze(0))[0]
        best = int(probabilities.argmax())
        return {"label": bundle.classes[best], "probability": float(probabilities[best])}

    if endpoint == "thread":

        @app.post("/predict")
        def predict(file: UploadFile) -> dict[str, object]:
            return answer(file)
    else:

        @app.post("/predict")
        async def predict(file: UploadFile) -> dict[str, object]:
            return answer(file)

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--endpoint", choices=("thread", "loop"), default="thread")
    arguments = parser.parse_args()
    uvicorn.run(make_app(read_bundle(arguments.bundle), arguments.endpoint), port=arguments.port, log_level="warning")


if __name__ == "__main__":
    main()
