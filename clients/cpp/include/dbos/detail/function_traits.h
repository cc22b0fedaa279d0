// FunctionTraits: result and parameters of a workflow function `R fn(Context&, Args...)`, free or lambda.
#pragma once

#include <tuple>
#include <type_traits>

namespace dbos {
class Context;
class StepContext;
}  // namespace dbos

namespace dbos::detail {

template <class R, class First, class... Args>
struct WorkflowSignature {
  static_assert(std::is_same_v<First, Context&>, "the first parameter of a workflow function is dbos::Context&");
  using Result = std::decay_t<R>;
  using Arguments = std::tuple<std::decay_t<Args>...>;
};

template <class F>
struct FunctionTraits : FunctionTraits<decltype(&std::remove_cvref_t<F>::operator())> {};
template <class R, class... Args>
struct FunctionTraits<R (*)(Args...)> : WorkflowSignature<R, Args...> {};
template <class R, class... Args>
struct FunctionTraits<R (*)(Args...) noexcept> : WorkflowSignature<R, Args...> {};
template <class C, class R, class... Args>
struct FunctionTraits<R (C::*)(Args...) const> : WorkflowSignature<R, Args...> {};
template <class C, class R, class... Args>
struct FunctionTraits<R (C::*)(Args...)> : WorkflowSignature<R, Args...> {};
template <class C, class R, class... Args>
struct FunctionTraits<R (C::*)(Args...) const noexcept> : WorkflowSignature<R, Args...> {};

// The result of a step body, which takes nothing or a StepContext&.
template <class F>
auto StepResultOf() {
  if constexpr (std::is_invocable_v<F&, StepContext&>) {
    return std::type_identity<std::decay_t<std::invoke_result_t<F&, StepContext&>>>{};
  } else {
    static_assert(std::is_invocable_v<F&>, "a step body takes nothing or a dbos::StepContext&");
    return std::type_identity<std::decay_t<std::invoke_result_t<F&>>>{};
  }
}
template <class F>
using StepResult = typename decltype(StepResultOf<std::remove_reference_t<F>>())::type;

}  // namespace dbos::detail
