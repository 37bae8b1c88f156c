//! A compute pipeline on RADV's null device, and what the driver says of it.
#![expect(unsafe_code, reason = "Vulkan's own interface: every call of ash is unsafe")]

use crate::listing::weighted_multiply_adds;
use crate::spirv::Module;
use ash::khr::pipeline_executable_properties as executable;
use ash::vk;
use std::ffi::CStr;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What the compiler made of a kernel.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// Vector registers.
    pub vgprs: u64,
    /// Scalar registers.
    pub sgprs: u64,
    /// Vector registers that did not fit.
    pub spilled_vgprs: u64,
    /// Scalar registers that did not fit.
    pub spilled_sgprs: u64,
    /// Bytes of memory behind spilled registers and private arrays.
    pub scratch: u64,
    /// Bytes of workgroup memory.
    pub lds: u64,
    /// Waves that a SIMD holds at once, in units of 32 invocations.
    pub waves: u64,
    /// The compiler's estimate of the cycles that a wave keeps the SIMD busy, loops weighted by its rule of thumb.
    pub inverse_throughput: u64,
    /// Multiply-adds of a wave, loops weighted in the same way.
    pub multiply_adds: u64,
}

/// An opened null device. Nothing is destroyed: the process ends with it.
pub struct Driver {
    _entry: ash::Entry,
    device: ash::Device,
    executable: executable::Device,
    name: String,
    robust: bool,
    /// Units of 32 invocations in what the driver calls a subgroup where it counts how many a SIMD holds: it counts by 32 on
    /// RDNA, whatever the kernel runs at, and by 64 on GCN.
    units: u64,
}

impl Driver {
    /// Opens the first device that the environment leaves the loader.
    ///
    /// # Errors
    /// No driver, none of its family, or one without statistics.
    pub fn open() -> Result<Self> {
        // SAFETY: the loader's own library is loaded, and every handle below comes from the call before it.
        unsafe {
            let entry = ash::Entry::load()?;
            let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
            let instance =
                entry.create_instance(&vk::InstanceCreateInfo::default().application_info(&application), None)?;
            let physical = *instance.enumerate_physical_devices()?.first().ok_or("RADV knows no such family")?;
            let mut sizes = vk::PhysicalDeviceSubgroupSizeControlProperties::default();
            let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut sizes);
            instance.get_physical_device_properties2(physical, &mut properties);
            let units = u64::from(sizes.min_subgroup_size / 32).max(1);
            let name =
                instance.get_physical_device_properties(physical).device_name_as_c_str()?.to_string_lossy().into();
            let offered = instance.enumerate_device_extension_properties(physical)?;
            let has = |name: &CStr| offered.iter().any(|e| e.extension_name_as_c_str() == Ok(name));
            if !has(executable::NAME) {
                return Err(format!("{name} has no {}", executable::NAME.to_string_lossy()).into());
            }
            // As wgpu does, so that the compiled code is what would run.
            let robust = has(ash::ext::robustness2::NAME);
            let mut extensions = vec![executable::NAME.as_ptr()];
            if robust {
                extensions.push(ash::ext::robustness2::NAME.as_ptr());
            }
            let queue = [vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0])];
            let features = vk::PhysicalDeviceFeatures::default().robust_buffer_access(true);
            let mut statistics =
                vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default().pipeline_executable_info(true);
            let mut robustness = vk::PhysicalDeviceRobustness2FeaturesEXT::default().robust_buffer_access2(robust);
            let mut info = vk::DeviceCreateInfo::default()
                .queue_create_infos(&queue)
                .enabled_features(&features)
                .enabled_extension_names(&extensions)
                .push_next(&mut statistics);
            if robust {
                info = info.push_next(&mut robustness);
            }
            let device = instance.create_device(physical, &info, None)?;
            let executable = executable::Device::new(&instance, &device);
            Ok(Self { _entry: entry, device, executable, name, robust, units })
        }
    }

    /// The device's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether buffers are bounds-checked by the hardware.
    pub fn robust(&self) -> bool {
        self.robust
    }

    /// Compiles an entry point and reads its statistics.
    ///
    /// # Errors
    /// What the driver refuses, or no statistics.
    pub fn statistics(&self, module: &Module, entry: &str) -> Result<Statistics> {
        let pipeline = self.pipeline(module, entry)?;
        // SAFETY: the pipeline was made with both capture flags, on a device with the feature enabled.
        unsafe {
            let whole = vk::PipelineInfoKHR::default().pipeline(pipeline);
            if self.executable.get_pipeline_executable_properties(&whole)?.is_empty() {
                return Err("the driver gives no statistics".into());
            }
            let info = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline);
            let mut out = Statistics::default();
            for s in self.executable.get_pipeline_executable_statistics(&info)? {
                let value = s.value.u64;
                match s.name_as_c_str()?.to_str()? {
                    "VGPRs" => out.vgprs = value,
                    "SGPRs" => out.sgprs = value,
                    "Spilled VGPRs" => out.spilled_vgprs = value,
                    "Spilled SGPRs" => out.spilled_sgprs = value,
                    "Scratch size" => out.scratch = value,
                    "LDS size" => out.lds = value,
                    "Subgroups per SIMD" => out.waves = value * self.units,
                    "Inverse Throughput" => out.inverse_throughput = value,
                    _ => {}
                }
            }
            out.multiply_adds = weighted_multiply_adds(&self.listing(&info)?);
            self.device.destroy_pipeline(pipeline, None);
            if out.vgprs == 0 || out.waves == 0 {
                return Err("the driver's statistics lack registers or waves".into());
            }
            Ok(out)
        }
    }

    /// The machine code as text.
    ///
    /// # Safety
    /// `info` must name a pipeline made with both capture flags.
    unsafe fn listing(&self, info: &vk::PipelineExecutableInfoKHR<'_>) -> Result<String> {
        // SAFETY: two calls as the specification asks: sizes first, then into buffers of these sizes.
        unsafe {
            let mut forms = self.executable.get_pipeline_executable_internal_representations(info)?;
            let mut buffers: Vec<Vec<u8>> = forms.iter().map(|f| vec![0; f.data_size]).collect();
            for (form, buffer) in forms.iter_mut().zip(&mut buffers) {
                form.p_data = buffer.as_mut_ptr().cast();
            }
            let mut count = forms.len() as u32;
            let get = self.executable.fp().get_pipeline_executable_internal_representations_khr;
            get(self.executable.device(), info, &mut count, forms.as_mut_ptr()).result()?;
            let listing = forms.iter().position(|f| f.name_as_c_str() == Ok(c"Assembly"));
            Ok(listing.map(|i| String::from_utf8_lossy(&buffers[i]).into_owned()).unwrap_or_default())
        }
    }

    fn pipeline(&self, module: &Module, entry: &str) -> Result<vk::Pipeline> {
        let name = std::ffi::CString::new(entry)?;
        // SAFETY: all handles are this device's; the words are valid SPIR-V, written by naga from a validated module.
        unsafe {
            let shader =
                self.device.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(&module.words), None)?;
            let groups = module.bindings.iter().map(|b| b.0 + 1).max().unwrap_or(0);
            let sets = (0..groups)
                .map(|group| {
                    let of_group = module.bindings.iter().filter(|b| b.0 == group);
                    let bindings: Vec<_> = of_group
                        .map(|(_, binding, uniform)| {
                            let kind = if *uniform {
                                vk::DescriptorType::UNIFORM_BUFFER
                            } else {
                                vk::DescriptorType::STORAGE_BUFFER
                            };
                            vk::DescriptorSetLayoutBinding::default()
                                .binding(*binding)
                                .descriptor_type(kind)
                                .descriptor_count(1)
                                .stage_flags(vk::ShaderStageFlags::COMPUTE)
                        })
                        .collect();
                    let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
                    self.device.create_descriptor_set_layout(&info, None)
                })
                .collect::<std::result::Result<Vec<_>, _>>()?;
            let layout = self
                .device
                .create_pipeline_layout(&vk::PipelineLayoutCreateInfo::default().set_layouts(&sets), None)?;
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(shader)
                .name(&name);
            let capture = vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
                | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR;
            let info = vk::ComputePipelineCreateInfo::default().flags(capture).stage(stage).layout(layout);
            let made = self.device.create_compute_pipelines(vk::PipelineCache::null(), &[info], None);
            let pipelines = made.map_err(|(_, e)| e)?;
            self.device.destroy_shader_module(shader, None);
            Ok(pipelines[0])
        }
    }
}
