import { Pool } from '@forksafe/driver-pg'
import connectPgSimple from 'connect-pg-simple'
import session from 'express-session'

export const pool = new Pool()
export const store = new (connectPgSimple(session))({ pool, createTableIfMissing: true })
