"""The HTTP server: models behind an API, and a page to try them in.

Layer: beside `training` and `evaluation`. The only importer of web libraries, which come with the extra `serve`.

    settings    what may be set, and its limits
    refusals    what an answer says when there is none
    guard       what every request meets first: token, origin, size, room
    reading     a request's pictures and choices
    schemas     the API's values, and its description as OpenAPI
    batching    requests of many clients become batches of one predictor
    models      which models are served; a bundle that changes is loaded again
    answers     a prediction as JSON
    packing     many predictions as a zip
    naming      names of strangers, made into names of files
    given_masks masks that clients send
    saving      pictures and masks into a folder, in pairs that are whole or absent
    counting    what `/metrics` says
    learning    training on these, in a process of its own
    shown       a run that is shown, as workflow reads it
    run_samples its samples: pictures, truth, orders
    rating      scores of those that the run did not score
    working     the threads, and the way of a picture through them
    waiting     as long as the client waits
    context     what the endpoints share
    single · many · dataset · training · showing   the endpoints; `run_schemas` are the values of the last
    app         all of them together
    server      running it until a signal
    client      the API from Python; needs the standard library alone

Names are imported from their modules.
"""
