#include "host/telemetry/tensorboard_records.h"

#include "host/telemetry/tfrecord.h"
#include "tensorboard.pb.h"

namespace trainhost::telemetry {
namespace {

pb::Event event_at(Moment moment) {
  pb::Event out;
  out.set_wall_time(moment.seconds);
  out.set_step(moment.step);
  return out;
}

std::string record(const pb::Event& event) { return tfrecord(event.SerializeAsString()); }

// Protobuf refuses to write a text that is no UTF-8; such bytes become '?'.
std::string utf8(const std::string& text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const std::size_t size = lead < 0x80             ? 1
                             : (lead & 0xe0) == 0xc0 ? 2
                             : (lead & 0xf0) == 0xe0 ? 3
                             : (lead & 0xf8) == 0xf0 ? 4
                                                     : 0;
    bool whole = size > 0 && at + size <= text.size() && lead != 0xc0 && lead != 0xc1;
    for (std::size_t i = 1; whole && i < size; ++i) {
      whole = (static_cast<unsigned char>(text[at + i]) & 0xc0) == 0x80;
    }
    out += whole ? text.substr(at, size) : std::string("?");
    at += whole ? size : 1;
  }
  return out;
}

}  // namespace

std::string version_record(double seconds) {
  pb::Event event = event_at({seconds, 0});
  event.set_file_version("brain.Event:2");
  return record(event);
}

std::string restart_record(Moment moment) {
  pb::Event event = event_at(moment);
  event.mutable_session_log()->set_status(pb::SessionLog::START);
  return record(event);
}

std::string scalars_record(Moment moment, const std::vector<Scalar>& scalars) {
  pb::Event event = event_at(moment);
  for (const Scalar& scalar : scalars) {
    pb::SummaryValue* value = event.mutable_summary()->add_value();
    value->set_tag(utf8(scalar.tag));
    value->set_simple_value(static_cast<float>(scalar.value));
  }
  return record(event);
}

std::string text_record(Moment moment, const std::string& tag, const std::string& markdown) {
  pb::Event event = event_at(moment);
  pb::SummaryValue* value = event.mutable_summary()->add_value();
  value->set_tag(utf8(tag));
  value->mutable_metadata()->mutable_plugin_data()->set_plugin_name("text");
  value->mutable_metadata()->set_data_class(pb::DATA_CLASS_TENSOR);
  value->mutable_tensor()->set_dtype(pb::DT_STRING);
  value->mutable_tensor()->mutable_tensor_shape()->add_dim()->set_size(1);
  value->mutable_tensor()->add_string_val(markdown);
  return record(event);
}

std::string hparams_record(Moment moment, const std::vector<Hparam>& hparams) {
  pb::HparamsData data;
  data.mutable_session_start_info()->set_start_time_secs(moment.seconds);
  for (const auto& [key, setting] : hparams) {
    pb::HparamEntry* entry = data.mutable_session_start_info()->add_hparams();
    entry->set_key(utf8(key));
    if (const double* number = std::get_if<double>(&setting)) {
      entry->mutable_value()->set_number_value(*number);
    } else {
      entry->mutable_value()->set_string_value(utf8(std::get<std::string>(setting)));
    }
  }
  pb::Event event = event_at(moment);
  pb::SummaryValue* value = event.mutable_summary()->add_value();
  value->set_tag("_hparams_/session_start_info");
  value->mutable_metadata()->mutable_plugin_data()->set_plugin_name("hparams");
  value->mutable_metadata()->mutable_plugin_data()->set_content(data.SerializeAsString());
  // The dashboard asks for a value, and looks at none.
  value->mutable_tensor()->set_dtype(pb::DT_FLOAT);
  value->mutable_tensor()->mutable_tensor_shape();
  value->mutable_tensor()->add_float_val(0);
  return record(event);
}

}  // namespace trainhost::telemetry
