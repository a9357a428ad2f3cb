"""Learning: the plan, the loop, its checkpoints and its logs. The only importer of Lightning.

Layer: above `inference`, beside `evaluation`.

    plan         every automatic choice, with its reason (`choices`, `phase_choices`)
    phases       parts of a training with settings of their own; where in them it stands
    start        from a bundle: its settings, its meaning of the data, its weights
    loader       batches from the cache, one prefetch thread
    module       the step: augment, forward, losses (a LightningModule)
    freezing     parts that do not learn for a while
    optimizers   optimiser and learning-rate schedule
    state        where a training stands; what a checkpoint must hold besides weights
    validation   scores and previews after every epoch
    callbacks    count, log, stop in time
    checkpoints  best and last, written whole
    progress     what a person sees meanwhile
    fit          puts the above together
"""
