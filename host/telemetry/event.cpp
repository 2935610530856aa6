#include "host/telemetry/event.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <type_traits>

namespace trainhost::telemetry {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kMaxDepth = 32;
constexpr std::size_t kMaxItems = 4096;

[[noreturn]] void refuse(const std::string& what, const std::string& expected) {
  throw Error(Failure::kRun, {.where = "event", .what = what, .expected = expected});
}

// One list of fields for each kind of event serves both directions: a `Fields` is a FieldWriter or
// a FieldReader.
template <class Fields>
void visit_fields(Fields& f, Log& e) {
  f("level", e.level), f("rank", e.rank), f("text", e.text);
}
template <class Fields>
void visit_fields(Fields& f, Progress& e) {
  f("what", e.what), f("done", e.done), f("total", e.total);
}
template <class Fields>
void visit_fields(Fields& f, StandIn& e) {
  f("text", e.text);
}
template <class Fields>
void visit_fields(Fields& f, Phase& e) {
  f("name", e.name), f("begin", e.begin), f("seconds", e.seconds);
}
template <class Fields>
void visit_fields(Fields& f, Ready::Objective& e) {
  f("name", e.name), f("steps_per_epoch", e.steps_per_epoch), f("rows_per_epoch", e.rows_per_epoch);
}
template <class Fields>
void visit_fields(Fields& f, Ready::Fact& e) {
  f("key", e.key), f("value", e.value);
}
template <class Fields>
void visit_fields(Fields& f, Ready& e) {
  f("parameters", e.parameters), f("parameter_bytes", e.parameter_bytes), f("units", e.units);
  f("epochs", e.epochs), f("first_epoch", e.first_epoch);
  f("objectives", e.objectives), f("facts", e.facts), f("device", e.device);
}
template <class Fields>
void visit_fields(Fields& f, Step& e) {
  f("objective", e.objective), f("epoch", e.epoch), f("step", e.step), f("steps", e.steps);
  f("global_step", e.global_step), f("loss", e.loss), f("lr", e.lr), f("grad_norm", e.grad_norm);
  f("samples_per_s", e.samples_per_s), f("step_ms", e.step_ms);
  f("data_wait_ms", e.data_wait_ms), f("memory_mb", e.memory_mb);
  f("utilisation", e.utilisation), f("logged", e.logged);
  f("power_watts", e.power_watts), f("temperature_celsius", e.temperature_celsius);
}
template <class Fields>
void visit_fields(Fields& f, Evaluation::Metric& e) {
  f("name", e.name), f("value", e.value), f("baseline", e.baseline);
}
template <class Fields>
void visit_fields(Fields& f, Evaluation::Row& e) {
  f("file", e.file), f("header", e.header), f("line", e.line);
}
template <class Fields>
void visit_fields(Fields& f, Evaluation& e) {
  f("epoch", e.epoch), f("global_step", e.global_step), f("midway", e.midway), f("split", e.split);
  f("metrics", e.metrics), f("watched", e.watched), f("best", e.best);
  f("is_best", e.is_best), f("trivial", e.trivial), f("seconds", e.seconds);
  f("rows", e.rows);
}
template <class Fields>
void visit_fields(Fields& f, Checkpoint& e) {
  f("path", e.path), f("epoch", e.epoch), f("global_step", e.global_step), f("seconds", e.seconds);
}
template <class Fields>
void visit_fields(Fields& f, Summary& e) {
  f("rank", e.rank), f("peak_memory_mb", e.peak_memory_mb);
  f("interrupted", e.interrupted), f("json", e.json);
}
template <class Fields>
void visit_fields(Fields& f, Failed& e) {
  f("rank", e.rank), f("failure", e.failure), f("where", e.where), f("what", e.what);
  f("expected", e.expected), f("got", e.got), f("fix", e.fix), f("doing", e.doing);
}
template <class Fields>
void visit_fields(Fields& f, State::Tensor& e) {
  f("name", e.name), f("hash", e.hash), f("elements", e.elements);
  f("of_elements", e.of_elements), f("replicated", e.replicated), f("squares", e.squares);
}
template <class Fields>
void visit_fields(Fields& f, State& e) {
  f("rank", e.rank), f("place", e.place), f("loss", e.loss), f("tensors", e.tensors);
}
template <class Fields>
void visit_fields(Fields& f, Dropped& e) {
  f("count", e.count);
}

class FieldWriter {
 public:
  explicit FieldWriter(Json& out) : out_(out) {}

  template <class T>
  void operator()(const char* name, T& field) {
    out_[name] = value(field);
  }

 private:
  template <class T>
  static Json value(T& field) {
    if constexpr (std::is_enum_v<T>) {
      return static_cast<int>(field);
    } else if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
      return field;
    } else {
      Json object = Json::object();
      FieldWriter writer(object);
      visit_fields(writer, field);
      return object;
    }
  }
  template <class T>
  static Json value(std::vector<T>& items) {
    Json list = Json::array();
    for (T& item : items) list.push_back(value(item));
    return list;
  }

  Json& out_;
};

class FieldReader {
 public:
  FieldReader(const Json& in, std::string path, std::size_t known_keys)
      : in_(in), path_(std::move(path)), seen_(known_keys) {
    if (!in_.is_object()) refuse(path_ + " has another type", "an object");
  }

  template <class T>
  void operator()(const char* name, T& field) {
    const auto found = in_.find(name);
    if (found == in_.end()) refuse(path_ + "." + name + " is missing", "");
    read(*found, path_ + "." + name, field);
    ++seen_;
  }

  void finish() const {
    if (seen_ != in_.size()) refuse(path_ + " has unknown keys", "");
  }

 private:
  template <class T>
  static void read(const Json& in, const std::string& path, T& field) {
    if constexpr (std::is_same_v<T, bool>) {
      if (!in.is_boolean()) refuse(path + " has another type", "true or false");
      field = in.template get<bool>();
    } else if constexpr (std::is_enum_v<T> || std::is_integral_v<T>) {
      if (!in.is_number_integer()) refuse(path + " has another type", "a whole number");
      read_whole(in.template get<std::int64_t>(), path, field);
    } else if constexpr (std::is_floating_point_v<T>) {
      if (!in.is_number() && !in.is_null()) refuse(path + " has another type", "a number or null");
      field = in.is_null() ? kNone : in.template get<double>();
    } else if constexpr (std::is_same_v<T, std::string>) {
      if (!in.is_string()) refuse(path + " has another type", "a text");
      field = in.template get<std::string>();
    } else {
      FieldReader reader(in, path, 0);
      visit_fields(reader, field);
      reader.finish();
    }
  }
  template <class T>
  static void read(const Json& in, const std::string& path, std::vector<T>& items) {
    if (!in.is_array() || in.size() > kMaxItems) refuse(path + " has another type", "a short list");
    for (const Json& item : in) read(item, path, items.emplace_back());
  }
  static void read_whole(std::int64_t value, const std::string&, std::int64_t& field) {
    field = value;
  }
  static void read_whole(std::int64_t value, const std::string& path, int& field) {
    if (value < -1 || value > (1 << 20)) refuse(path + " is out of range", "a rank");
    field = static_cast<int>(value);
  }
  static void read_whole(std::int64_t value, const std::string& path, Host::Level& field) {
    if (value < 0 || value > 2) refuse(path + " is out of range", "a level from 0 to 2");
    field = static_cast<Host::Level>(value);
  }
  static void read_whole(std::int64_t value, const std::string& path, Failure& field) {
    if (value < 1 || value > 5) refuse(path + " is out of range", "a failure code from 1 to 5");
    field = static_cast<Failure>(value);
  }

  const Json& in_;
  std::string path_;
  std::size_t seen_;
};

template <class E>
constexpr const char* kEventName = nullptr;
template <>
constexpr const char* kEventName<Log> = "log";
template <>
constexpr const char* kEventName<Progress> = "progress";
template <>
constexpr const char* kEventName<StandIn> = "stand_in";
template <>
constexpr const char* kEventName<Phase> = "phase";
template <>
constexpr const char* kEventName<Ready> = "ready";
template <>
constexpr const char* kEventName<Step> = "step";
template <>
constexpr const char* kEventName<Evaluation> = "evaluation";
template <>
constexpr const char* kEventName<Checkpoint> = "checkpoint";
template <>
constexpr const char* kEventName<Summary> = "summary";
template <>
constexpr const char* kEventName<Failed> = "failed";
template <>
constexpr const char* kEventName<State> = "state";
template <>
constexpr const char* kEventName<Dropped> = "dropped";

template <class E>
bool read_as(const std::string& name, const Json& in, Event& out) {
  if (name != kEventName<E>) return false;
  E event;
  FieldReader reader(in, name, 1);  // 1: the key "event"
  visit_fields(reader, event);
  reader.finish();
  out = std::move(event);
  return true;
}

template <class... E>
bool read_any(const std::string& name, const Json& in, std::variant<E...>& out) {
  return (read_as<E>(name, in, out) || ...);
}

Json parse(std::string_view line) {
  const auto limit_depth = [](int depth, Json::parse_event_t, Json&) {
    if (depth > kMaxDepth) refuse("it is nested too deeply", "");
    return true;
  };
  try {
    return Json::parse(line.begin(), line.end(), limit_depth);
  } catch (const Json::exception&) {
    refuse("the line is no JSON", "one object a line");
  }
}

}  // namespace

std::string place_of(const Evaluation& evaluation) {
  if (evaluation.epoch < 0) return "before the first step";
  const std::string epoch = "epoch " + std::to_string(evaluation.epoch + 1);
  if (!evaluation.midway) return "after " + epoch;
  return "at step " + std::to_string(evaluation.global_step) + " in " + epoch;
}

std::string to_line(const Event& event) {
  Json out = Json::object();
  std::visit(
      [&out](auto copy) {
        out["event"] = kEventName<decltype(copy)>;
        FieldWriter writer(out);
        visit_fields(writer, copy);
      },
      event);
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Event from_line(std::string_view line) {
  if (line.size() > kMaxLine) refuse("the line is too long", "at most 1 MiB");
  const Json in = parse(line);
  const auto name = in.is_object() ? in.find("event") : in.end();
  if (!in.is_object() || name == in.end() || !name->is_string()) {
    refuse("the line is no event", "an object with the key 'event'");
  }
  Event out;
  if (!read_any(name->get<std::string>(), in, out)) {
    refuse("unknown event '" + name->get<std::string>().substr(0, 40) + "'", "");
  }
  return out;
}

Failed failed(int rank, const Error& error, std::string doing) {
  const Error::Text& text = error.text();
  return {.rank = rank,
          .failure = error.failure(),
          .where = text.where,
          .what = text.what,
          .expected = text.expected,
          .got = text.got,
          .fix = text.fix,
          .doing = std::move(doing)};
}

}  // namespace trainhost::telemetry
