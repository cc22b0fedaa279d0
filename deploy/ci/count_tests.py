#!/usr/bin/env python3
"""Prints `passed failed` of a ctest JUnit file. A test that did not run, for whatever reason, has failed."""
import sys
import xml.etree.ElementTree

cases = xml.etree.ElementTree.parse(sys.argv[1]).getroot().findall("testcase")
passed = sum(case.get("status") == "run" for case in cases)
print(passed, len(cases) - passed if cases else 1)
