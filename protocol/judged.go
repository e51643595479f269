package protocol

// TagJudged is a tagged field of one partition in the request of Produce, from
// version 9 on: the producer wants its lock headers judged, and nothing written
// where they are not (conflict.policy=carry). Its value is one byte, 1. Who asks
// for verdicts (TagVerdicts) says so with that. Kafka's own tags are small
// numbers.
const TagJudged = 10104
