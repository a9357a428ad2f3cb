"""Using a network: pictures of any size in, probabilities and masks at that size out.

Layer: above `bundle`. Validation, evaluation and folder prediction all go through the one `Predictor`,
so the number seen in training is the number the user gets.

    hardware     which device, and whether it computes bf16
    tiling       pure geometry of overlapping tiles
    inputs       a picture, checked and brought to the network's scale
    numbers      stored pixels as a network's numbers
    engine       one batch through the network; memory errors recognised
    engines      which engine runs a bundle; those that are not torch
    graphs       networks as ONNX graphs, kept in the cache
    runtimes     the programs that run graphs
    predictor    batches, tiles, and what to do when memory runs out
    prediction   what a user gets: masks and probabilities at the picture's own size
    result       how that is made of logits
    joining      the scores of several sets of samples as those of one
    scoring      predict a catalog and count against its masks
    drawing      inputs, truth and prediction as people see them
    folder       read, predict and write many pictures
    wanted       what that shall leave behind
    destinations where it goes
    streaming    a picture by window: sums of a row of tiles, finished rows
    huge         one such picture from file to files
    empty        tiles in which there is nothing to find
    previews     a small copy of a large picture and its masks
    pipeline     what is done with each picture before and after the network
    shards       a part of the pictures, for one of several processes
    journal      what is known of finished pictures, on the disk
    collisions   refusing to lose a file
    sources      which pictures are meant, and what their results are called
    tasks        which samples, where each is of several pictures
    outputs      one picture's results, written
    written      which files were written, in little memory
    stacking     slices as a volume again
    tables       what tables of all pictures are: `doubtful`, `submission`, `object_tables`
    submission   the masks of all pictures as one table of run lengths
    object_tables   sizes and COCO outlines of the objects of all pictures
    object_sizes    area, perimeter, extents

Names are imported from their modules, so that those who only look for pictures need no torch.
"""
