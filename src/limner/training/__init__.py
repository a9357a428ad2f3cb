"""Learning: the plan, the loop, its checkpoints and its logs. The only importer of Lightning.

Layer: above `inference`, beside `evaluation`.

    plan         every automatic choice, with its reason
    loader       batches from the cache, one prefetch thread
    module       the step: augment, forward, losses (a LightningModule)
    optimizers   optimiser and learning-rate schedule
    state        where a training stands; what a checkpoint must hold besides weights
    callbacks    after each epoch: validate, log, preview; stop in time
    checkpoints  best and last, written whole
    progress     what a person sees meanwhile
    fit          puts the above together
"""
