"""Models, learners and samplers: a folder a paper, and the contracts that they keep. Torch-free by itself."""
