"""Models as files for other programs, with the proof that they answer the same; and a reader of such files.

Layer: above `inference`, beside `training` and `evaluation`.

    reader   uses an exported file; needs no torch
    answers  probabilities to masks, with NumPy alone
    whole    a bundle as one module: stored pixels in, probabilities out
    formats  such a module as an ONNX, OpenVINO or TorchScript file
    proof    the file against the predictor, on pictures

Names are imported from their modules, so that the reader loads no torch.
"""
