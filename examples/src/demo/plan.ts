/** What both pools are put through, the same for each. */
export const CHILDREN = 3
export const QUERIES_PER_PROCESS = 300
/** Per pool. */
export const CONNECTIONS = 6
/** Per process. More than connections, so that some always wait for one. */
export const CALLERS = 8
/** A caller's pause between two queries, at random: the processes must not fall into step. */
export const MAX_PAUSE_MILLIS = 2
/** Per process; many times what the work takes. What is unanswered then stays so. */
export const LIMIT_MILLIS = 10_000
