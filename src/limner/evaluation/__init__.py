"""Honest scores of a model, and the report of a run.

Layer: above `inference`. Nothing is imported here, because a report needs no torch and a score does.

    evaluate  measures a model and writes `per_image.csv`, `summary.json` and example cases
    report    turns the files of a run folder into one offline HTML page
    check_page  turns the findings of a check into another
"""
