// native/srcu, line by line as it ships, under relacy (what that means here: machine.h).
//   model [--seed N] [--iterations N] [--setting NAME] [--scenario NAME] [--mutant NAME]
// Without --mutant: every scenario must pass in every setting, then every mutant must be found in one of
// them. An iteration's number is its seed; what is found is printed with the arguments that replay it.
#include "test/model/relacy/machine.h"
// machine.h changes what these mean.
#include "native/srcu/collector.cc"
#include "native/srcu/domain.cc"
#include "native/srcu/fence.cc"
#include "native/srcu/grace_period.cc"
#include "native/srcu/stall.cc"
#include "native/srcu/threads.cc"
// These use both.
#include <fstream>
#include <string>
#include <vector>

#include "test/model/relacy/mutants.h"
#include "test/model/relacy/scenarios.h"

namespace {

using scenarios::Setting;

struct Arguments {
  rl::iteration_t seed = 1;
  rl::iteration_t iterations = 20000;
  std::string setting;
  std::string scenario;
  std::string mutant;
  bool good = true;

  Arguments(int count, char** values) {
    for (int i = 1; i < count && good; i += 2) {
      const std::string name = values[i];
      const std::string value = i + 1 < count ? values[i + 1] : "";
      good = !value.empty();
      if (name == "--seed") {
        seed = std::strtoull(value.c_str(), nullptr, 10);
      } else if (name == "--iterations") {
        iterations = std::strtoull(value.c_str(), nullptr, 10);
      } else if (name == "--setting") {
        setting = value;
      } else if (name == "--scenario") {
        scenario = value;
      } else if (name == "--mutant") {
        mutant = value;
      } else {
        good = false;
      }
    }
    good = good && seed > 0 && iterations > 0;
  }
};

struct Finding {
  bool found = false;
  std::string what;
  std::string history;
  rl::iteration_t iteration = 0;  ///< the one that found it, or the number of them
};

/// No iteration gets near this many steps unless it runs for ever.
constexpr unsigned kSteps = 20000;

constexpr unsigned kSwitches = 2;
constexpr rl::iteration_t kBatch = 500;

template <class Scenario>
Finding simulate(rl::scheduler_type_e search, rl::iteration_t seed, rl::iteration_t iterations) {
  std::ostream nowhere(nullptr);
  rl::ostringstream output;
  rl::test_params parameters;
  parameters.search_type = search;
  parameters.context_bound = kSwitches;
  parameters.execution_depth_limit = kSteps;
  parameters.progress_stream = &nowhere;
  parameters.output_stream = &output;
  parameters.iteration_count = seed + iterations - 1;
  if (seed > 1) parameters.initial_state = std::to_string(seed).c_str();
  Finding finding;
  finding.found = !rl::simulate<Scenario>(parameters);
  finding.iteration = finding.found ? parameters.stop_iteration : parameters.stop_iteration - seed + 1;
  if (finding.found) {
    finding.what = rl::test_result_str(parameters.test_result);
    finding.history = output.str().c_str();
  }
  return finding;
}

struct Scenario {
  const char* name;
  Finding (*run)(rl::scheduler_type_e search, rl::iteration_t seed, rl::iteration_t iterations);
};
template <class Type>
constexpr Scenario scenario() {
  return {Type::kName, simulate<Type>};
}
constexpr Scenario kScenarios[] = {
    scenario<scenarios::Scopes>(),  scenario<scenarios::Holds>(),    scenario<scenarios::HandOver>(),
    scenario<scenarios::Upgrade>(), scenario<scenarios::Updaters>(), scenario<scenarios::Exit>(),
    scenario<scenarios::Ending>(),
};

/// Calls `each` with every setting and scenario that the arguments leave, until it says false.
template <class Each>
void for_each(const Arguments& arguments, Each&& each) {
  for (const Setting& setting : scenarios::kSettings) {
    if (!arguments.setting.empty() && arguments.setting != setting.name) continue;
    scenarios::g_setting = &setting;
    machine::g_fences = setting.fences;
    for (const Scenario& scenario : kScenarios) {
      if (!arguments.scenario.empty() && arguments.scenario != scenario.name) continue;
      if (!each(setting, scenario)) return;
    }
  }
}

/// The sources as they are.
bool check(const Arguments& arguments) {
  bool passed = true;
  for_each(arguments, [&](const Setting& setting, const Scenario& scenario) {
    const Finding finding = scenario.run(rl::sched_random, arguments.seed, arguments.iterations);
    passed = !finding.found;
    if (passed) {
      std::printf("relacy: %s, %s: seeds %llu to %llu, nothing found\n", setting.name, scenario.name,
                  static_cast<unsigned long long>(arguments.seed),
                  static_cast<unsigned long long>(arguments.seed + finding.iteration - 1));
    } else {
      std::printf("%s\nrelacy: %s, %s: %s; --setting %s --scenario %s --iterations 1 --seed %llu\n",
                  finding.history.c_str(), setting.name, scenario.name, finding.what.c_str(), setting.name,
                  scenario.name, static_cast<unsigned long long>(finding.iteration));
    }
    std::fflush(stdout);
    return passed;
  });
  return passed;
}

/// Every schedule of the smallest scenario with at most kSwitches preemptions, with two stores to choose from
/// at every load. Nothing is found in the sources as they are, and something where there is a fault.
bool search(const char* fault = nullptr) {
  const Setting& setting = scenarios::kSettings[0];
  scenarios::g_setting = &setting;
  machine::g_fences = setting.fences;
  const Finding finding = simulate<scenarios::Smallest>(rl::sched_bound, 1, 1);
  const bool good = finding.found == (fault != nullptr);
  if (!good) std::printf("%s\n", finding.history.c_str());
  std::printf("relacy: %s%s%s, %s: schedules with up to %u preemptions: %s %llu: %s\n",
              fault != nullptr ? fault : "", fault != nullptr ? ", " : "", setting.name,
              scenarios::Smallest::kName, kSwitches, finding.found ? "number" : "all",
              static_cast<unsigned long long>(finding.iteration),
              finding.found ? finding.what.c_str() : "nothing found");
  std::fflush(stdout);
  return good;
}

/// With a fault put in, which has to be found.
bool check(const Arguments& arguments, const mutants::Mutant& mutant) {
  if (!mutants::put_in(mutant)) {
    std::printf("relacy: %s: not in %s any more\n", mutant.name, mutant.file);
    return false;
  }
  bool found = false;
  // A few seeds everywhere before more of them: most faults show in some places only, and there soon.
  const rl::iteration_t end = arguments.seed + arguments.iterations;
  for (rl::iteration_t seed = arguments.seed; seed < end && !found; seed += kBatch) {
    for_each(arguments, [&](const Setting& setting, const Scenario& scenario) {
      const Finding finding = scenario.run(rl::sched_random, seed, std::min(kBatch, end - seed));
      found = finding.found;
      if (found) {
        if (!arguments.mutant.empty()) std::printf("%s\n", finding.history.c_str());
        std::printf("relacy: '%s' found in %s, %s, seed %llu: %s\n", mutant.name, setting.name, scenario.name,
                    static_cast<unsigned long long>(finding.iteration), finding.what.c_str());
      }
      return !found;
    });
  }
  if (!found)
    std::printf("relacy: '%s' was NOT found (passed %llu times)\n", mutant.name,
                static_cast<unsigned long long>(machine::g_weakened.passed));
  if (mutant.small) found = search(mutant.name) && found;
  mutants::take_out();
  std::fflush(stdout);
  return found;
}

}  // namespace

int main(int count, char** values) {
  const Arguments arguments(count, values);
  if (!arguments.good) {
    std::fprintf(
        stderr,
        "usage: model [--seed N] [--iterations N] [--setting NAME] [--scenario NAME] [--mutant NAME]\n");
    return 2;
  }
  machine::make_globals();
  bool passed = true;
  if (arguments.mutant.empty()) passed = check(arguments) && search();
  std::size_t tried = 0;
  for (const mutants::Mutant& mutant : mutants::kMutants) {
    if (!arguments.mutant.empty() && arguments.mutant != mutant.name) continue;
    passed = check(arguments, mutant) && passed;
    ++tried;
  }
  if (tried == 0) passed = false;
  std::printf("relacy: %zu mutants, %s\n", tried, passed ? "every one found" : "FAILED");
  return passed ? 0 : 1;
}
