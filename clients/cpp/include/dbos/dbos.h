// DBOS durable execution for C++: include this one header.
//
//   Receipt checkout(dbos::Context& ctx, const Order& order) {
//     auto payment = ctx.step("charge", {.max_attempts = 5}, [&] { return payments::charge(order); });
//     return {.payment = payment};
//   }
//
//   dbos::App app({.name = "shop", .version = "shop-1"});
//   auto checkout_workflow = app.workflow("checkout", checkout);
//   app.launch();
//   auto handle = checkout_workflow.start({.workflow_id = "order-42"}, order);
//   handle.result();
//
// Needs the standard library and nlohmann-json only; neither gRPC nor Protobuf nor Abseil shows through.
// Opt-in: <dbos/protobuf.h> for Protobuf messages as values, <dbos/testing.h> for unit tests without a sidecar.
#pragma once

#include <dbos/app.h>
#include <dbos/client.h>
#include <dbos/context.h>
#include <dbos/errors.h>
#include <dbos/migrations.h>
#include <dbos/options.h>
#include <dbos/rows.h>
#include <dbos/sql_value.h>
#include <dbos/transaction.h>
#include <dbos/values.h>
#include <dbos/workflow_handle.h>
#include <dbos/workflow_info.h>
