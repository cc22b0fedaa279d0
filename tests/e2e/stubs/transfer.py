#!/usr/bin/python3
"""A workflow with a transaction, in Python, with nothing but what protoc generates from protos/dbos/v1.

Usage: transfer.py STUBS ADDRESS WORKFLOW_ID

STUBS is the directory with the generated modules:
  protoc -I protos --python_out=STUBS --grpc_out=STUBS --plugin=protoc-gen-grpc=$(which grpc_python_plugin)
         protos/dbos/v1/*.proto

It runs the workflow `transfer`, which moves 5 from account 1 to account 2 exactly once, prints what the transaction
returned, and then asks again as a process that was restarted would: the recorded outcome comes back.
"""
import json
import queue
import sys
import uuid

sys.path.insert(0, sys.argv[1])

import grpc
from dbos.v1 import common_pb2, steps_pb2, steps_pb2_grpc, transactions_pb2, transactions_pb2_grpc, workflows_pb2
from dbos.v1 import workflows_pb2_grpc

NAME = b"transfer"


class Transaction:
    """One transaction over one stream: a request, its answer, the next request."""

    def __init__(self, stub, step):
        self.requests = queue.Queue()
        self.answers = stub.Transact(iter(self.requests.get, None))
        self.begin = transactions_pb2.BeginTransaction(step=step)

    def ask(self, **request):
        request = transactions_pb2.TransactRequest(**request)
        if self.begin is not None:
            request.begin.CopyFrom(self.begin)
            self.begin = None
        self.requests.put(request)
        answer = next(self.answers)
        if answer.WhichOneof("answer") in ("refused", "sql_error", "restart"):
            raise RuntimeError(str(answer))
        return answer

    def query(self, sql, **parameters):
        values = [
            transactions_pb2.SqlParameter(name=name.encode(), value=transactions_pb2.SqlValue(integer=value))
            for name, value in parameters.items()
        ]
        statement = transactions_pb2.SqlStatement(sql=sql.encode(), parameters=values)
        return self.ask(statement=statement)

    def commit(self, value):
        result = common_pb2.Payload(data=json.dumps(value).encode())
        return self.ask(commit=transactions_pb2.CommitTransaction(result=result)).ended

    def close(self):
        self.requests.put(None)


def transfer(stub, execution):
    step = transactions_pb2.TransactionStep(execution=execution, step_id=0, name=b"move")
    transaction = Transaction(stub, step)
    take = "UPDATE accounts SET balance = balance - :amount WHERE id = :id RETURNING balance"
    give = "UPDATE accounts SET balance = balance + :amount WHERE id = :id RETURNING balance"
    balances = [
        int(transaction.query(take, amount=5, id=1).rows.rows[0].cells[0]),
        int(transaction.query(give, amount=5, id=2).rows.rows[0].cells[0]),
    ]
    ended = transaction.commit(balances)
    transaction.close()
    again = Transaction(stub, step)  # as after a crash: nothing of it takes effect
    recorded = again.ask(statement=transactions_pb2.SqlStatement(sql=b"DELETE FROM accounts"))
    if recorded.WhichOneof("answer") == "rows":  # one database: the commit finds the record
        recorded = again.ask(commit=transactions_pb2.CommitTransaction(result=common_pb2.Payload(data=b"0")))
    again.close()
    assert recorded.ended.how == transactions_pb2.TransactionEnded.HOW_RECORDED_BEFORE, recorded
    assert recorded.ended.outcome == ended.outcome, recorded
    return ended.outcome


def main():
    _, _, address, workflow_id = sys.argv
    channel = grpc.insecure_channel(address)
    workflows = workflows_pb2_grpc.WorkflowServiceStub(channel)
    steps = steps_pb2_grpc.StepServiceStub(channel)
    transactions = transactions_pb2_grpc.TransactionServiceStub(channel)
    subscription = steps.Subscribe(
        steps_pb2.SubscribeRequest(
            application_name=b"crash-test",
            application_version=b"stubs-1",
            incarnation=str(uuid.uuid4()),
            credit=steps_pb2.Credit(executions=1),
            registrations=steps_pb2.Registrations(workflows=[steps_pb2.WorkflowDefinition(name=NAME)]),
        ))
    workflows.StartWorkflow(
        workflows_pb2.StartWorkflowRequest(request_id=str(uuid.uuid4()), workflow_id=workflow_id.encode(), name=NAME,
                                           input=common_pb2.Payload(data=b'{"positionalArgs":[]}')),
        wait_for_ready=True)
    execution = next(subscription).execution
    outcome = transfer(transactions, execution)
    steps.CompleteWorkflow(steps_pb2.CompleteWorkflowRequest(execution=execution, outcome=outcome))
    print(outcome.value.data.decode())
    subscription.cancel()


if __name__ == "__main__":
    main()
