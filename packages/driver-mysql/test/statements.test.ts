import mysql from 'mysql2'
import { describe, expect, test } from 'vitest'
import { bringsSql, effectOf, mayMove, takesRole } from '../src/statements.ts'
import { transactionEffectOf } from '../src/transaction-effects.ts'

describe('what a statement leaves in its session', () => {
  test.each([
    'SELECT 1',
    '  select * from t where a = ? for update;',
    '(SELECT 1) UNION (SELECT 2)',
    'WITH t AS (SELECT 1) SELECT * FROM t',
    'INSERT INTO t VALUES (?) /* traced */',
    'SELECT @@version, @@session.sql_mode',
    'SAVEPOINT a',
    'ROLLBACK TO SAVEPOINT a',
    'RELEASE SAVEPOINT a',
    '/* c */ SELECT 1',
    '/**/SELECT 1',
    '-- c @ ; \nSELECT 1',
    '--\tc\n--\nselect 1',
    '# it’s a comment\n  ( /* c */ (SELECT 1))',
    "SELECT 1 /*traceparent='00-5b-01',route='/a;b@c'*/",
    'SELECT 1; -- done',
    'SELECT 1; /* done */ # really',
    '/*!50000 SELECT */ 1',
    '/*! SELECT 1 */',
    '/*M!100100 SELECT 1 */',
    'SELECT /*!40001 SQL_NO_CACHE */ * FROM t',
    'SELECT /*+ MAX_EXECUTION_TIME(9) */ 1',
    'SELECT \'-- \', "/*", `#` FROM t',
    "/* \\ */ INSERT INTO t VALUES ('it''s')",
    'SELECT 1 --1',
  ])('%s: nothing', (sql) => {
    expect(effectOf(sql)).toBe('none')
  })

  test.each([
    'BEGIN',
    'begin work;',
    'START TRANSACTION',
    'start transaction read only',
    '/* c */ BEGIN',
    '-- c\nSTART /* c */ TRANSACTION # c',
  ])('%s: a transaction', (sql) => {
    expect(effectOf(sql)).toBe('begins')
  })

  test.each(['COMMIT', 'rollback;', 'COMMIT WORK', '/* c */ COMMIT -- c', '#c\nrollback;'])(
    '%s: none any more, if it succeeds',
    (sql) => {
      expect(effectOf(sql)).toBe('ends')
    },
  )

  test.each(['SET TRANSACTION READ ONLY', 'set transaction isolation level serializable'])(
    '%s: what the next transaction will be like',
    (sql) => {
      expect(effectOf(sql)).toBe('announces')
    },
  )

  test.each([
    'SET @a = 1',
    'SET SESSION TRANSACTION READ ONLY',
    'SELECT @a := 1',
    'SELECT n INTO @a FROM t',
    "SELECT GET_LOCK('a', 1)",
    "DO get_lock('a', 1)",
    'SELECT 1; SET NAMES latin1',
    'SELECT 1 /*! INTO @a */',
    '/*!50000 SET sql_mode = "" */',
    'LOCK TABLES t READ',
    'CALL p()',
    'COMMIT AND CHAIN',
    'BEGIN NOT ATOMIC SET max_statement_time = 1; END',
    'selected',
    '',
    '/* c */ SET @a = 1',
    '/* c */',
    '/*!50000 SET @a = 1 */',
    '/*M!100100 SET @a = 1 */',
    '/*!50000 COMMIT */',
    'SELECT 1 /*!50000 ; SET @a = 1 */',
    "SELECT '/*', @a := 1, '*/'",
    'SELECT "-- ", @a := 1',
    'SELECT `#`, @a := 1',
    // Where a backslash does not escape, the string ends before the variable.
    "SELECT '\\', @a := 1, ' -- '",
    "SELECT '\\', @a := 1 /* '*/",
    // Where it escapes, the string ends behind the comment.
    "SELECT '\\'/*', @a := 1, '*/'",
    '/*! SELECT /* c */ 1 */, @a := 1',
    "/*! SELECT '*/', @a := 1, '/*' */",
    'SELECT 1 /* open',
    'SELECT 1;/**/SET @a = 1',
    'SELECT GET_LOCK/* c */(1, 1)',
    'SELECT @/**/a := 1',
  ])('%s: perhaps something else', (sql) => {
    expect(effectOf(sql)).toBe('leaves')
  })

  test.each([
    ['USE other', true],
    ['SELECT 1; use `other`', true],
    ['DROP DATABASE mine', true],
    ['SET @a = 1', false],
    ['/* use */ SET @a = 1', false],
    ['/*!50000 USE other */', true],
  ])('%s: perhaps another database: %s', (sql, moves) => {
    expect(mayMove(sql)).toBe(moves)
  })

  test.each([
    ['SET ROLE boss', true],
    ['set role none', true],
    ['SET /* traced = 1 */ ROLE boss', true],
    ['SELECT 1; SET ROLE boss', true],
    ["PREPARE p FROM 'SET ROLE boss'", true],
    ['SET/*!50000 ROLE boss */', true],
    ['SET -- c\nROLE boss', true],
    ["SET /*! ROLE '*/' */", true],
    ["/* SET ROLE boss */ SET @a = '#'", false],
    ['UPDATE users SET role = @role', false],
    ['SET @a = 1', false],
    // Of the account, from its next login on.
    ['SET DEFAULT ROLE boss', false],
  ])('%s: another role: %s', (sql, takes) => {
    expect(takesRole(sql)).toBe(takes)
  })

  test.each([
    [[1, 'a', null, undefined, new Date(0), Buffer.from('a')], false],
    [{ a: 1 }, false],
    [undefined, false],
    [mysql.raw('NOW()'), true],
    [[mysql.raw('NOW()')], true],
    [[[1, [mysql.raw('NOW()')]]], true],
    [{ a: mysql.raw('NOW()') }, true],
    [[{ a: mysql.raw('NOW()') }], true],
  ])('the values %j bring SQL of their own: %s', (values, brings) => {
    expect(bringsSql(values)).toBe(brings)
  })
})

describe('what a statement does to its transaction', () => {
  test.each<[string, string]>([
    ['/* c */ SELECT 1', 'none'],
    ['/* commit */ SELECT 1', 'none'],
    ['/* c */ COMMIT', 'ends'],
    ['-- c\nROLLBACK; # c', 'ends'],
    ['COMMIT /* c */ AND CHAIN', 'ends'],
    ['/*!50000COMMIT*/', 'may end'],
    ['/*! COMMIT /* c */ */', 'may end'],
    ['/* c */ SAVEPOINT a', 'names'],
    ['/* c */ CALL p()', 'may end'],
  ])('%s: %s', (sql, effect) => {
    expect(transactionEffectOf(sql, true)).toBe(effect)
  })
})
