// An order checkout that survives any crash: five steps, two of them in a child workflow. deploy/quickstart kills it
// half-way and starts it again.
//
//   order_checkout LEDGER [--hang-in STEP]
//
// Each step body begins by appending its name to the file LEDGER, so that one can see how often it ran. With --hang-in
// the body of that step never comes back: there is all the time in the world to kill the process in the middle of it.

#include <fstream>
#include <iostream>
#include <string>
#include <string_view>

#include <dbos/dbos.h>
#include <unistd.h>

struct Order {
  std::string id;
  std::string article;
  int cents = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Order, id, article, cents)

struct Receipt {
  std::string payment;
  std::string parcel;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Receipt, payment, parcel)

class Shop {
 public:
  Shop(std::string ledger, std::string hang_in) : ledger_(std::move(ledger)), hang_in_(std::move(hang_in)) {}

  // The workflow: ordinary code. What is in a step runs once; what is between steps runs again after a crash.
  Receipt checkout(dbos::Context& ctx, const Order& order) const {
    ctx.step("reserve", [&] { work("reserve"); });
    auto payment = ctx.step("charge", {.max_attempts = 5}, [&] {
      work("charge");
      return "paid " + std::to_string(order.cents) + " cents for " + order.id;
    });
    auto shipping = ctx.start<std::string>("ship", {}, order);
    auto parcel = shipping.result();
    ctx.step("thank", [&] { work("thank"); });
    return {.payment = payment, .parcel = parcel};
  }

  // The child workflow.
  std::string ship(dbos::Context& ctx, const Order& order) const {
    ctx.step("pick", [&] { work("pick"); });
    return ctx.step("label", [&] {
      work("label");
      return "parcel with " + order.article;
    });
  }

 private:
  void work(std::string_view step) const {
    std::ofstream(ledger_, std::ios::app) << step << std::endl;
    while (step == hang_in_) pause();
  }

  std::string ledger_;
  std::string hang_in_;
};

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: order_checkout LEDGER [--hang-in STEP]\n";
    return 2;
  }
  const bool hangs = argc == 4 && std::string_view(argv[2]) == "--hang-in";
  const Shop shop(argv[1], hangs ? argv[3] : "");

  dbos::App app({.name = "shop", .version = "shop-1"});
  auto checkout =
      app.workflow("checkout", [&](dbos::Context& ctx, const Order& order) { return shop.checkout(ctx, order); });
  app.workflow("ship", [&](dbos::Context& ctx, const Order& order) { return shop.ship(ctx, order); });
  app.launch();

  // The same id again is the same workflow: after a crash this line waits for the one that was interrupted.
  auto handle = checkout.start({.workflow_id = "order-42"}, Order{.id = "42", .article = "teapot", .cents = 1999});
  const Receipt receipt = handle.result();
  std::cout << receipt.payment << ", " << receipt.parcel << std::endl;
  return 0;
}
