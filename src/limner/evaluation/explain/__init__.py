"""Why a prediction is empty or wrong: a ladder of looks at one picture, and causes ranked by what they explain.

Layer: part of `evaluation`.

    findings   what is found: sights, trials, rungs, causes
    looking    how a model sees a picture: how strange it is to it, and how sure its answer
    changes    ways of giving a picture otherwise, each undoing one fault
    trials     every change tried, and what it does
    given      the picture as given: what was read, and conversions where it is refused
    rungs      what was looked at, in words and numbers
    causes     which faults explain what was found, the likeliest first
    appearance what a picture looks like, in numbers
    planting   faults planted in training pictures
    forest     trees that tell kinds of pictures by their numbers
    suspects   which fault a picture looks as if it had
    nearest    the training pictures that are most like it
    page       all of it as one offline page
"""
