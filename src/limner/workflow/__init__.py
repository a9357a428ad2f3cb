"""The verbs of Limner: what the command line and Python call. Each reads as its own recipe.

Layer: above `training` and `evaluation`, below `cli`.

    settings   what the user asked for, and the data it names
    check      what is wrong with data, before anything is trained
    train      data → model, evaluation, report
    folds      a training for each fold
    evaluate   scores of a model
    review     masks that a model doubts
    load       a model, to be used from Python
    predict    a model, used on many pictures
    export     a model as a file for other programs
    show       sheets of samples
    split      train, val and test, decided once and written down
    traces     experts' outlines, turned into masks
    compose    a data set of cut-outs on backgrounds

Each verb is imported from its own module, so that those that need no torch start without it.
"""
