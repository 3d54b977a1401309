"""What a model is: base (hub, path, scratch) with its digest, quantisation, adapter on base.

    spec ──▶ base.resolve_base ──▶ BaseModel ──▶ handle.ModelHandle ──▶ loading.load_model
    scoring   how probable a loaded model finds given tokens

Models are loaded here and nowhere else, one way for training, evaluation and serving; so are
likelihoods taken. What does not belong here: how a model is trained, on which texts it is measured,
and where it is registered.
"""
