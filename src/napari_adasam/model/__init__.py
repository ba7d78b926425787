"""Everything made of tensors: encoders, adapters, classifier, CAM, prompts, decoder. No Qt, no napari."""
