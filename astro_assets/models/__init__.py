"""What a model is: base (hub, path, scratch) with its digest, quantisation, adapter on base.

    spec ──▶ base.resolve_base ──▶ BaseModel ──▶ handle.ModelHandle ──▶ loading.load_model

Models are loaded here and nowhere else, one way for training, evaluation and serving. What does not
belong here: how a model is trained or measured, and where it is registered.
"""
