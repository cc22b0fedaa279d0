// cockroach_parser gives SQL texts to CockroachDB's own parser, the bodies of PL/pgSQL functions included.
//
//	cockroach_parser < FILE        texts that end with a zero byte; exit code 1 if one is refused
//	cockroach_parser --self-test   what CockroachDB lacks is refused
//
// It parses. It knows no types, no functions, no session variables: tests/testing/proxy/cockroach_sql.cc has a list of
// what parses and is not there all the same.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/cockroachdb/cockroachdb-parser/pkg/sql/parser"
	plpgsql "github.com/cockroachdb/cockroachdb-parser/pkg/sql/plpgsql/parser"
	"github.com/cockroachdb/cockroachdb-parser/pkg/sql/sem/tree"
)

// parse returns how many statements the text has, bodies of functions not counted.
func parse(text string) (count int, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("the parser panicked: %v", panicked)
		}
	}()
	statements, err := parser.Parse(text)
	if err != nil {
		return 0, err
	}
	for _, statement := range statements {
		if routine, ok := statement.AST.(*tree.CreateRoutine); ok {
			if err := parseBody(routine); err != nil {
				return 0, fmt.Errorf("in the body of %s: %w", routine.Name.String(), err)
			}
		}
	}
	return len(statements), nil
}

func parseBody(routine *tree.CreateRoutine) error {
	var language tree.RoutineLanguage
	var body string
	for _, option := range routine.Options {
		switch value := option.(type) {
		case tree.RoutineLanguage:
			language = value
		case tree.RoutineBodyStr:
			body = string(value)
		}
	}
	if language == tree.RoutineLangSQL {
		_, err := parser.Parse(body)
		return err
	}
	if language != tree.RoutineLangPLpgSQL {
		return fmt.Errorf("its language is %q, which nothing here checks", language)
	}
	_, err := plpgsql.Parse(body)
	return err
}

// planted must be refused, and accepted must not.
var planted = []string{
	"LISTEN dbos_notifications_channel",
	"VACUUM t",
	"LOCK TABLE t",
	"DROP DATABASE d WITH (FORCE)",
	"CREATE FUNCTION f() RETURNS TEXT LANGUAGE plpgsql SET search_path = pg_catalog AS 'BEGIN RETURN 1; END'",
	"CREATE FUNCTION f() RETURNS TEXT LANGUAGE plpgsql AS 'BEGIN RETURN 1; EN'",
	"CREATE FUNCTION f() RETURNS TEXT LANGUAGE plpgsql AS 'BEGIN PERFORM pg_notify(1, 2); RETURN 1; END'",
	"CREATE FUNCTION f() RETURNS INT LANGUAGE sql AS 'SELEC 2'",
	"CREATE TABLE t (a INT) INHERITS (u)",
	"SELECT 1; SELEC 2",
}

var accepted = []string{
	"BEGIN; SELECT a FROM t AS s FOR NO KEY UPDATE OF s SKIP LOCKED; COMMIT",
	"CREATE FUNCTION f() RETURNS TEXT LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'",
	"CREATE FUNCTION f() RETURNS INT LANGUAGE sql VOLATILE SECURITY DEFINER AS 'INSERT INTO t VALUES (1) RETURNING a'",
}

func selfTest() int {
	failures := 0
	for _, text := range planted {
		if _, err := parse(text); err == nil {
			fmt.Println("not refused:", text)
			failures++
		}
	}
	for _, text := range accepted {
		if _, err := parse(text); err != nil {
			fmt.Println("refused:", err, "in", text)
			failures++
		}
	}
	return failures
}

func parseAll(input string) int {
	texts := strings.Split(strings.TrimSuffix(input, "\x00"), "\x00")
	statements, failures := 0, 0
	for _, text := range texts {
		count, err := parse(text)
		if err != nil {
			fmt.Printf("refused: %v\n%s\n", err, text)
			failures++
		}
		statements += count
	}
	fmt.Printf("CockroachDB's parser took %d of %d texts, %d statements\n", len(texts)-failures, len(texts), statements)
	if statements == 0 {
		failures++
	}
	return failures
}

func main() {
	failures := 0
	if len(os.Args) > 1 && os.Args[1] == "--self-test" {
		failures = selfTest()
	} else {
		input, err := io.ReadAll(os.Stdin)
		if err != nil {
			fmt.Fprintln(os.Stderr, "cockroach_parser:", err)
			os.Exit(2)
		}
		failures = parseAll(string(input))
	}
	if failures > 0 {
		os.Exit(1)
	}
}
