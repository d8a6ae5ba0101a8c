/** The parameters of the work, the same for both pools. */
export const CHILDREN = 3
export const QUERIES_PER_PROCESS = 300
/** The number of connections of each pool. */
export const CONNECTIONS = 6
/** The number of callers in each process. There are more callers than connections, so that some always wait. */
export const CALLERS = 8
/** The maximum random pause of a caller between two queries. It prevents the processes from running in lockstep. */
export const MAX_PAUSE_MILLIS = 2
/** The time limit of each process: many times the duration of the work. Queries without an answer then remain unanswered. */
export const LIMIT_MILLIS = 10_000
